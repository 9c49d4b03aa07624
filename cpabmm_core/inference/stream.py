"""Animation of a source as driving frames or poses arrive, in constant memory."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.inference.animated_frame import AnimatedFrame, Finish, View, only, unchanged
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.frames import check_frame, to_frames
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.poses import PoseTransfer
from cpabmm_core.inference.regions import Fit, Framing, frame_region
from cpabmm_core.inference.transparency import unmix
from cpabmm_core.inference.views import result

_RGBA = 4
_Value = TypeVar("_Value")


class AnimationStream:
    """Renders a source in the pose of every driving frame that is pushed.

    The stream renders as soon as it has a batch of frames, see `InferenceModel.batch_size`: with
    ``batch_size=1`` every push returns its frame, with more frames it is faster. Exactly one frame
    comes out for each that goes in, in the same order. Memory does not grow with their number.

    Calls must not overlap, but they may come from different threads.

    Example:
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = InferenceModel(load_model("puppets", device="cpu"), batch_size=2)
        >>> video = render_puppet(seed=7, index=0, split="test", frames=3, size=120)
        >>> source = EncodedSource.from_squares(model, [video.frames[0]])
        >>> poses = PoseTransfer.for_model(model.model, source.keypoints)
        >>> stream = AnimationStream(model, source, poses)
        >>> [len(stream.push(frame)) for frame in video.frames], len(stream.flush())
        ([0, 2, 0], 1)
    """

    def __init__(
        self,
        inference_model: InferenceModel,
        source: EncodedSource,
        poses: PoseTransfer,
        *,
        driving: Framing | None = None,
        fit: Fit = "crop",
        view: View = result,
        finish: Finish = unchanged,
    ) -> None:
        """Connect a source with a transfer of poses.

        Args:
            inference_model: the model that has encoded the source.
            source: the source; it is encoded once for all frames.
            poses: transfers the poses of the driving frames to the source.
            driving: the part of the driving frames that the model sees; they must then have one
                size. None takes each frame as a whole, and their sizes may differ.
            fit: without `driving`, how a frame that is not square becomes the model's square, see
                `frame_region`.
            view: makes the picture to return, for example `compare_view`.
            finish: makes a result from a rendered square, for example by `Framing.uncover` or
                `paste_back`. A view may also call it with the square of the source.
        """
        self._inference_model = inference_model
        self._source = source
        self._poses = poses
        self._driving, self._fit = driving, fit
        self._view, self._finish = view, finish
        self._groups: int | None = getattr(inference_model.model.keypoint_detector, "groups", None)
        self._waiting: list[_Input] = []
        self._count = 0

    def push(
        self,
        frame: Frame,  # (H, W, 3)
        time: float | None = None,
        *,
        source: Frame | None = None,
        finish: Finish | None = None,
    ) -> list[Frame]:
        """Add a driving frame.

        Args:
            frame: uint8 RGB. It is copied, so its memory may be reused.
            time: its presentation time in seconds, which smoothing uses; for all frames of a batch
                or for none.
            source: (side, side, 3 or 4), the square of a source that moves, at the time of this
                frame; for all frames of a batch or for none. It is encoded for this frame, with the
                matte and to the size of the source that the stream was created with.
            finish: replaces the `finish` of the stream for this frame.

        Returns:
            The frames that are ready: a batch, or none. An output frame is (H', W', 3) uint8 RGB,
            or RGBA if the source has transparent parts.

        Raises:
            DataError: the frame has another layout.
            CheckpointError: the model renders NaN or infinity.
        """
        check_frame(frame)
        framing = self._driving or frame_region(frame.shape[1], frame.shape[0], None, self._fit)
        square = framing.cut(frame)
        image = self._inference_model.to_input([square])
        return self._add(_Input(time, source, finish, image=image, square=square, framing=framing))

    def push_pose(
        self,
        keypoints: Tensor,  # (1, N, 2 or 6) in [-1, 1]
        time: float | None = None,
        *,
        source: Frame | None = None,
        finish: Finish | None = None,
    ) -> list[Frame]:
        """Add the keypoints of a driving frame instead of its picture.

        Args:
            keypoints: as the model detects them; on any device.
            time: as for `push`.
            source: as for `push`.
            finish: as for `push`.

        Returns:
            The frames that are ready, as for `push`.

        Raises:
            ShapeError: the keypoints differ in number or kind from those of the source.
            CheckpointError: the model renders NaN or infinity.
        """
        expected = (1, *self._source.keypoints.shape[1:])
        if tuple(keypoints.shape) != expected:
            raise ShapeError(
                f"keypoints: expected {expected} as of the source, got {tuple(keypoints.shape)};"
                " detect both with the same model"
            )
        moved = keypoints.to(self._source.keypoints)
        return self._add(_Input(time, source, finish, framing=self._driving, keypoints=moved))

    def flush(self) -> list[Frame]:
        """Render the frames that wait for a full batch. The stream can be used further.

        Returns:
            The frames, as for `push`; fewer than a batch.

        Raises:
            CheckpointError: the model renders NaN or infinity.
        """
        batch, self._waiting = self._waiting, []
        return self._render(batch) if batch else []

    def _add(self, item: "_Input") -> list[Frame]:
        self._waiting.append(item)
        return self.flush() if len(self._waiting) >= self._inference_model.batch_size else []

    def _render(self, batch: list["_Input"]) -> list[Frame]:
        driving = self._keypoints(batch)
        moving = self._moving_source(batch)
        source = moving or self._source
        times = _all_or_none("time", [item.time for item in batch])
        poses = self._poses.step(driving, times, None if moving is None else moving.keypoints)
        rendered = source.render_frames(poses)
        frames = []
        for index, (item, square) in enumerate(zip(batch, to_frames(rendered.images), strict=True)):
            finish = item.finish or self._finish
            one = only(rendered, index)
            shown = AnimatedFrame(
                image=finish(square),
                source=self._source_square if item.source is None else item.source,
                driving=item.square,
                rendered=one,
                index=self._count,
                source_keypoints=source.keypoints[index if moving else 0],
                driving_keypoints=driving[index],
                groups=self._groups,
                finish=finish,
                uncover=unchanged if item.framing is None else item.framing.uncover,
            )
            frames.append(self._view(shown))
            self._count += 1
        return frames

    @torch.no_grad()
    def _keypoints(self, batch: list["_Input"]) -> Tensor:  # (B, N, 2 or 6)
        images = [item.image for item in batch if item.image is not None]
        detected: list[Tensor] = []
        if images:
            detected = list(self._inference_model.networks.keypoints(torch.cat(images)).split(1))
        found = iter(detected)
        return torch.cat(
            [next(found) if item.keypoints is None else item.keypoints for item in batch]
        )

    def _moving_source(self, batch: list["_Input"]) -> EncodedSource | None:
        squares = _all_or_none("source", [item.source for item in batch])
        if squares is None:
            return None
        size = (self._source.image if self._source.large is None else self._source.large).shape[-1]
        return EncodedSource.from_squares(
            self._inference_model, squares, size, matte=self._source.matte
        )

    @cached_property
    def _source_square(self) -> Frame:  # (T, T, 3 or 4)
        image = (self._source.image if self._source.large is None else self._source.large)[:1]
        if image.shape[1] == _RGBA:
            image = unmix(image[:, :3], image[:, 3:], self._source.matte)
        return to_frames(image)[0]


@dataclass(frozen=True)
class _Input:
    """A driving frame that waits: its picture or its keypoints."""

    time: float | None
    source: Frame | None
    finish: Finish | None
    image: Tensor | None = None  # (1, 3, S, S) in [0, 1]
    square: Frame | None = None
    framing: Framing | None = None
    keypoints: Tensor | None = None  # (1, N, 2 or 6)


def _all_or_none(name: str, values: list[_Value | None]) -> list[_Value] | None:
    given = [value for value in values if value is not None]
    if given and len(given) < len(values):
        raise DataError(f"{name}: expected one for every frame of a batch, or for none")
    return given or None
