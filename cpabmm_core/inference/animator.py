"""Animation: the object of a source image repeats the motion of a driving video."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import ConfigError
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.frames import batches, resize, to_frames
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.transfer import TransferMode, check_mode, transfer_keypoints
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import PrecisionChoice


class Animator:
    """Renders a source image in the pose of each driving frame.

    Source and driving frames may have any size and shape: the largest centred square of each is
    resized to the model's frame size. The output is square.

    Attributes:
        size: side of the output frames in pixels.

    Example:
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = load_model("puppets", device="cpu")
        >>> video = render_puppet(seed=7, index=0, split="test", frames=4, size=120)
        >>> animator = Animator(model, mode="relative", batch_size=2)
        >>> generated = list(animator.animate(video.frames[0], video.frames))
        >>> len(generated), generated[0].shape, generated[0].dtype
        (4, (96, 96, 3), dtype('uint8'))
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
    ) -> None:
        """Prepare the model: move it to the device and switch it to eval mode.

        Args:
            model: the model, for example from `load_model`.
            mode: how driving poses are transferred to the source, see `transfer_keypoints`. The
                model decides whether ``relative`` scales movements.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; None leaves the model on its
                current device.
            batch_size: number of frames to render at a time; None means 8 on CUDA and 4 elsewhere.
            precision: precision of the networks; ``auto`` picks the fastest that the device
                supports natively. A batch that is not finite in half precision is rendered again in
                fp32.
            size: side of the output frames in pixels; None means the model's frame size.

        Raises:
            ConfigError: the mode or precision is unknown, the mode is ``avd`` and the model has no
                avd network, or the size or batch size is below 1.
            ResourceError: the device does not exist.
        """
        check_mode(mode, model.avd)
        if size is not None and size < 1:
            raise ConfigError(f"size: expected 1 or more pixels, got {size}")
        self._inference_model = InferenceModel(model, device, batch_size, precision)
        self._mode = mode
        self.size = size or model.frame_size

    def animate(
        self, source: Frame, frames: Iterable[Frame], *, reference: Frame | None = None
    ) -> Iterator[Frame]:
        """Animate a source image.

        Memory does not grow with the number of frames: at most one batch is read ahead.

        Args:
            source: (H, W, 3) uint8 RGB, the image to animate.
            frames: (H, W, 3) uint8 RGB each, the driving video.
            reference: the driving frame whose pose corresponds to the source's, for mode
                ``relative``; None means the first of `frames`.

        Returns:
            One frame per driving frame, in order, (size, size, 3) uint8 RGB.

        Raises:
            DataError: a frame has another layout. For driving frames the error is raised when they
                are read.
            CheckpointError: the model renders NaN or infinity.
        """
        to_input = self._inference_model.to_input
        encoded = EncodedSource(self._inference_model, to_input([source]))
        start = None if reference is None else self._keypoints(to_input([reference]))
        return self._render_batches(encoded, frames, start)

    def _render_batches(
        self,
        source: EncodedSource,
        frames: Iterable[Frame],
        reference: Tensor | None,  # (1, N, 2 or 6) in [-1, 1]
    ) -> Iterator[Frame]:
        for batch in batches(frames, self._inference_model.batch_size):
            driving = self._keypoints(self._inference_model.to_input(batch))
            if reference is None:
                reference = driving[:1]
            poses = self._transfer(source.keypoints, driving, reference)
            yield from to_frames(resize(source.render(poses), self.size))

    @torch.no_grad()
    def _keypoints(
        self,
        images: Tensor,  # (B, 3, S, S) in [0, 1]
    ) -> Tensor:  # (B, N, 2 or 6) in [-1, 1]
        return self._inference_model.model.keypoints(images)

    @torch.no_grad()
    def _transfer(
        self,
        source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
        driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        reference: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    ) -> Tensor:  # (B, N, 2 or 6)
        model = self._inference_model.model
        return transfer_keypoints(
            self._mode,
            source,
            driving,
            reference,
            model.avd,
            hull_scaling=model.relative_hull_scaling,
        )
