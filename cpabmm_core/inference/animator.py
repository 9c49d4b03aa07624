"""Animation: the object of a source image repeats the motion of a driving video."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import ConfigError
from cpabmm_core.inference.animated_frame import View
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.frames import check_frame
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.motion_scale import check_motion_scale
from cpabmm_core.inference.poses import PoseTransfer
from cpabmm_core.inference.regions import Fit, frame_region
from cpabmm_core.inference.smoothing import check_smooth
from cpabmm_core.inference.stream import AnimationStream
from cpabmm_core.inference.transfer import TransferMode, check_mode
from cpabmm_core.inference.views import result
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import PrecisionChoice


class Animator:
    """Renders a source image in the pose of each driving frame.

    Source and driving frames may have any size and shape. The model sees a square of each, at its
    own frame size. Results are as large and as sharp as the source: what is visible in the source
    is rendered from its own pixels.

    Example:
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = load_model("puppets", device="cpu")
        >>> video = render_puppet(seed=7, index=0, split="test", frames=4, size=120)
        >>> animator = Animator(model, mode="relative", batch_size=2)
        >>> generated = list(animator.animate(video.frames[0], video.frames))
        >>> len(generated), generated[0].shape, generated[0].dtype
        (4, (120, 120, 3), dtype('uint8'))
    """

    def __init__(
        self,
        model: AnimationModel,
        mode: TransferMode = "relative",
        *,
        device: str | None = None,
        batch_size: int | None = None,
        precision: PrecisionChoice = "fp32",
        size: int | None = None,
        fit: Fit = "crop",
        motion_scale: float = 1.0,
        smooth: float = 0.0,
        hull_scaling: bool | None = None,
        view: View = result,
    ) -> None:
        """Prepare the model: move it to the device and switch it to eval mode.

        Args:
            model: the model, for example from `load_model`.
            mode: how driving poses are transferred to the source, see `transfer_keypoints`.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; None leaves the model on its
                current device.
            batch_size: number of frames to render at a time; None means as for
                `InferenceModel`.
            precision: precision of the networks; ``auto`` picks the fastest that the device
                supports natively. A batch that is not finite in half precision is rendered again in
                fp32.
            size: longer side of the output frames in pixels; None means as in the source.
            fit: how a picture that is not square becomes the model's square: ``crop`` takes its
                largest centred square, and the output is square; ``pad`` extends it, and the output
                has the proportions of the source (`frame_region`).
            motion_scale: factor of all movements, 0 to 10, see `PoseTransfer`.
            smooth: strength of the filter on the driving keypoints, from 0 (none) to 1, see
                `PoseTransfer`.
            hull_scaling: whether mode ``relative`` scales movements by the relative size of the
                objects; None means as the model was trained.
            view: what the output shows: `result`, `compare_view`, `visual_view`, or a function of
                your own.

        Raises:
            ConfigError: the mode, precision or fit is unknown, the mode is ``avd`` and the model
                has no avd network, a number is out of range, or the size or batch size is below 1.
            ResourceError: the device does not exist.
        """
        check_mode(mode, model.avd)
        frame_region(1, 1, None, fit)  # refuses an unknown one
        check_motion_scale(motion_scale)
        check_smooth(smooth)
        if size is not None and size < 1:
            raise ConfigError(f"size: expected 1 or more pixels, got {size}")
        self._inference_model = InferenceModel(model, device, batch_size, precision)
        self._mode: TransferMode = mode
        self._size, self._fit = size, fit
        self._motion_scale, self._smooth = motion_scale, smooth
        self._hull_scaling, self._view = hull_scaling, view

    def stream(self, source: Frame, reference: Frame | None = None) -> AnimationStream:
        """Encode a source, to be animated by frames that are pushed one by one.

        Args:
            source: as for `animate`.
            reference: as for `animate`; None means the first frame that is pushed.

        Returns:
            A stream of its own, independent of all others.

        Raises:
            DataError: source or reference has another layout.

        Example:
            >>> from cpabmm_core import load_model
            >>> from cpabmm_core.puppets import render_puppet
            >>> model = load_model("puppets", device="cpu")
            >>> video = render_puppet(seed=7, index=0, split="test", frames=2, size=96)
            >>> stream = Animator(model, batch_size=1).stream(video.frames[0])
            >>> [len(stream.push(frame)) for frame in video.frames]  # at once, as for a camera
            [1, 1]
        """
        check_frame(source, "source", alpha=True)
        framing = frame_region(source.shape[1], source.shape[0], None, self._fit)
        encoded = EncodedSource.from_squares(
            self._inference_model, [framing.cut(source)], self._size
        )
        model = self._inference_model.model
        poses = PoseTransfer.for_model(
            model,
            encoded.keypoints,
            self._mode,
            hull_scaling=self._hull_scaling,
            motion_scale=self._motion_scale,
            smooth=self._smooth,
            reference=None if reference is None else self._keypoints(reference),
        )
        return AnimationStream(
            self._inference_model,
            encoded,
            poses,
            fit=self._fit,
            view=self._view,
            finish=framing.uncover,
        )

    def animate(
        self, source: Frame, frames: Iterable[Frame], *, reference: Frame | None = None
    ) -> Iterator[Frame]:
        """Animate a source image.

        Memory does not grow with the number of frames: at most one batch is read ahead.

        Args:
            source: (H, W, 3) uint8 RGB, the image to animate; or (H, W, 4) uint8 RGBA, not
                premultiplied, which the networks see on white.
            frames: (H, W, 3) uint8 RGB each, the driving video.
            reference: the driving frame whose pose corresponds to the source's, for mode
                ``relative``; None means the first of `frames`.

        Returns:
            One frame per driving frame, in order, uint8 with the channels of the source: a square
            or, with ``fit="pad"``, a picture of the source's proportions. Its longer side is `size`
            or that of the source's square.

        Raises:
            DataError: a frame has another layout. For driving frames the error is raised when they
                are read.
            CheckpointError: the model renders NaN or infinity.
        """
        stream = self.stream(source, reference)
        return _animate(stream, frames)

    @torch.no_grad()
    def _keypoints(self, frame: Frame) -> Tensor:  # (1, N, 2 or 6) in [-1, 1]
        check_frame(frame, "reference")
        framing = frame_region(frame.shape[1], frame.shape[0], None, self._fit)
        image = self._inference_model.to_input([framing.cut(frame)])
        return self._inference_model.networks.keypoints(image)


def _animate(stream: AnimationStream, frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        yield from stream.push(frame)
    yield from stream.flush()
