"""The motion of a driving video: its keypoints over time, without its images."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Protocol, Self

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import CheckpointError, DataError
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.motion_file import MotionParts, damaged_motion, read_motion, write_motion
from cpabmm_core.inference.pose_gap import best_reference
from cpabmm_core.media.video import VideoFrame
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.progress import Progress

_NUMBERS = (2, 6)
_FARTHEST = 100.0
"""Beyond this coordinate, 50 frames away, a keypoint is no output of a detector."""
_LARGEST_TIME = 2**62


class _Framing(Protocol):
    """Cuts the square out of a frame that the model sees, such as a `Framing`."""

    def cut(self, image: Frame) -> Frame: ...


@dataclass(frozen=True, eq=False)
class DrivingMotion:
    """The keypoints of a driving video with their times: all that an animation needs of it.

    A person in the video cannot be recognised in it, and it is small: 400 bytes a frame for 50
    keypoints. It belongs to the keypoint detector that found the keypoints.

    Example:
        >>> motion = DrivingMotion(
        ...     keypoints=torch.zeros(3, 10, 2),
        ...     pts=[0, 1, 4],
        ...     durations=[1, 3, 1],
        ...     time_base=Fraction(1, 25),
        ...     frame_rate=Fraction(25),
        ...     model="0" * 64,
        ... )
        >>> motion.times, motion.has_jacobians
        ([0.0, 0.04, 0.16], False)
    """

    keypoints: Tensor  # (F, N, 2 or 6)
    """(F, N, 2 or 6) float32 on the CPU, positions (x, y) in [-1, 1] and the rows of the jacobian
    (`geometry.local_affine`)."""
    pts: Sequence[int]
    """Presentation time of each frame in units of the time base."""
    durations: Sequence[int]
    """Duration of each frame in the same units; the last may be 0, for unknown."""
    time_base: Fraction
    """Seconds per unit of the times."""
    frame_rate: Fraction
    """Nominal number of frames per second."""
    model: str
    """Digest of the weights of the keypoint detector, see `detector_digest`."""
    path: Path | None = None
    """The file that the motion was read from."""

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            DataError: they do not, a keypoint is not finite, or the times do not rise.
        """
        for problem in _problems(self):
            raise DataError(f"motion: {problem}")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.pts)

    @property
    def times(self) -> list[float]:
        """Presentation time of each frame in seconds."""
        return [float(pts * self.time_base) for pts in self.pts]

    @property
    def has_jacobians(self) -> bool:
        """Whether the keypoints have jacobians, as those of models with affine motion do."""
        return self.keypoints.shape[-1] > _NUMBERS[0]

    def best_reference(
        self,
        source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    ) -> int:
        """Return the frame, from 0, whose pose is nearest to the source's (`best_reference`).

        Args:
            source: keypoints of the source, of the same model.

        Raises:
            ShapeError: the source has other keypoints.
        """
        return best_reference(source, self.keypoints)

    def check_model(self, model: AnimationModel) -> None:
        """Check that a model understands the keypoints.

        Raises:
            DataError: its keypoint detector has other weights than the one that found them.
        """
        if detector_digest(model) != self.model:
            raise DataError(
                f"{self.path or 'motion'}: is of another model, whose keypoint detector has other "
                "weights; use that model, or extract the motion from the video again"
            )

    def save(self, path: str | Path) -> None:
        """Write a motion file atomically; an existing file is replaced.

        The file holds tensors and text only: see `cpabmm_core/inference/motion_file.py`. Equal
        motions give equal bytes.

        Args:
            path: the file to write; the usual suffix is ``.safetensors``.

        Raises:
            DataError: the file cannot be written.
            ResourceError: the disk is full.
        """
        pts, durations = (torch.tensor(list(each)) for each in (self.pts, self.durations))
        parts = MotionParts(
            self.keypoints, pts, durations, self.time_base, self.frame_rate, self.model
        )
        write_motion(Path(path), parts)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a motion file.

        Raises:
            DataError: the file is missing, damaged, or no motion file.
        """
        path = Path(path)
        parts = read_motion(path)
        pts, durations = parts.pts.tolist(), parts.durations.tolist()
        rates = parts.time_base, parts.frame_rate
        try:
            return cls(parts.keypoints, pts, durations, *rates, parts.model, path)
        except DataError as error:
            raise damaged_motion(path, str(error).removeprefix("motion: ")) from None


@torch.no_grad()
def extract_motion(
    inference_model: InferenceModel,
    frames: Iterable[VideoFrame],
    *,
    time_base: Fraction,
    frame_rate: Fraction,
    framing: _Framing | None = None,
    progress: Progress | None = None,
) -> DrivingMotion:
    """Detect the keypoints of all frames of a video.

    One batch of images is in memory at a time; the keypoints of 5,000 frames take 2 MB.

    Args:
        inference_model: the model, on its device.
        frames: the frames in order.
        time_base: seconds per unit of their times.
        frame_rate: nominal number of frames per second.
        framing: the square of each frame that the model sees; None for the largest centred one.
        progress: called with the number of frames done after each batch.

    Returns:
        The motion.

    Raises:
        DataError: there are no frames, or their times do not rise.
        MediaError: the video is damaged.
        CheckpointError: the model detects NaN or infinity.

    Example:
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> puppet = render_puppet(seed=7, index=0, split="test", frames=3, size=96)
        >>> frames = [VideoFrame(image, pts, 1) for pts, image in enumerate(puppet.frames)]
        >>> inference_model = InferenceModel(load_model("puppets", device="cpu"))
        >>> rate = Fraction(25)
        >>> motion = extract_motion(inference_model, frames, time_base=1 / rate, frame_rate=rate)
        >>> motion.keypoints.shape
        torch.Size([3, 50, 2])
    """
    found: list[Tensor] = []
    times: list[tuple[int, int]] = []
    remaining = iter(frames)
    while batch := list(islice(remaining, inference_model.batch_size)):
        images = [framing.cut(frame.image) if framing else frame.image for frame in batch]
        points = inference_model.networks.keypoints(inference_model.to_input(images))
        if not points.isfinite().all():
            raise CheckpointError(
                "the model detects NaN or infinity: its weights are damaged",
                "use another checkpoint",
            )
        found.append(points.float().cpu())
        times += [(frame.pts, frame.duration) for frame in batch]
        if progress:
            progress(len(times), None)
    if not found:
        raise DataError("the driving video has no frames; choose another one")
    pts, durations = zip(*times, strict=True)
    digest = detector_digest(inference_model.model)
    return DrivingMotion(
        torch.cat(found), list(pts), list(durations), time_base, frame_rate, digest
    )


def detector_digest(model: AnimationModel) -> str:
    """Return the SHA-256 digest of the weights of a model's keypoint detector, in hexadecimal.

    It does not depend on the device, nor on the other networks of the model.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.keypoint_detector.state_dict().items()):
        if tensor.is_floating_point():  # counters of training do not change the keypoints
            digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.float().cpu().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _problems(motion: DrivingMotion) -> Iterator[str]:
    """Yield what is wrong with a motion, what the next check relies on first."""
    points, pts, durations = motion.keypoints, motion.pts, motion.durations
    if points.ndim != 3 or points.shape[-1] not in _NUMBERS or not points.numel():
        yield f"expected (F, N, 2 or 6) keypoints, got {tuple(points.shape)}"
    if not len(points) == len(pts) == len(durations):
        yield f"{len(points)} frames, {len(pts)} times and {len(durations)} durations"
    if not (points.abs() <= _FARTHEST).all():  # also for NaN
        yield "its keypoints are not finite or far outside the frame"
    if pts[0] < 0 or pts[-1] > _LARGEST_TIME or any(a >= b for a, b in pairwise(pts)):
        yield "its times do not rise from 0"
    if not all(0 <= duration <= _LARGEST_TIME for duration in durations):
        yield "a duration is negative or too long"
    if motion.time_base <= 0 or motion.frame_rate <= 0:
        yield "its time base and frame rate are not positive"
