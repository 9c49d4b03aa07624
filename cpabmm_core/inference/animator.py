"""Animation: a source image does what the object of a driving video does."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import ConfigError
from cpabmm_core.inference.frames import batches, resize, to_frames
from cpabmm_core.inference.renderer import RenderedSource, Renderer
from cpabmm_core.inference.transfer import TransferMode, check_mode, transfer_keypoints
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import PrecisionChoice


class Animator:
    """Draws a source image in the poses of driving frames, one output frame for each.

    Source and driving frames may have any size and shape: of each the largest centred square is
    used, resized to the model's frame size. The output is square.

    Example:
        >>> animator = Animator(model, mode="relative")  # doctest: +SKIP
        >>> for frame in animator.animate(source, driving):  # doctest: +SKIP
        ...     writer.write(frame)
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
        """Prepare the model; it is put into eval mode and on the device.

        Args:
            model: the model, for instance from `load_model`.
            mode: as for `transfer_keypoints`; whether ``relative`` scales movements is the model's.
            device: auto, cpu, cuda, cuda:N or mps; None leaves the model where it is.
            batch_size: frames drawn at a time; None takes 8 on CUDA and 4 elsewhere.
            precision: of the networks; ``auto`` takes what suits the device. A batch that is not
                finite in half precision is drawn again in fp32.
            size: side of the output; None takes the model's frame size.

        Raises:
            ConfigError: an unknown mode or precision, mode ``avd`` with a model that has no network
                for it, or a size or batch size below 1.
            ResourceError: there is no such device.
        """
        check_mode(mode, model.avd)
        if size is not None and size < 1:
            raise ConfigError(f"size: expected 1 or more pixels, got {size}")
        self._renderer = Renderer(model, device, batch_size, precision)
        self._mode = mode
        self.size = size or model.frame_size

    def animate(
        self, source: Frame, frames: Iterable[Frame], *, reference: Frame | None = None
    ) -> Iterator[Frame]:
        """Animate a source image.

        Memory does not grow with the number of frames: never more than one batch is read ahead.

        Args:
            source: (H, W, 3) uint8 RGB, the picture to bring to life.
            frames: (H, W, 3) uint8 RGB each, the driving video.
            reference: the driving frame whose pose is taken for the source's in mode ``relative``;
                None takes the first of `frames`.

        Returns:
            As many frames as there are driving frames, (size, size, 3) uint8 RGB, in order.

        Raises:
            DataError: a frame of another layout; for driving frames raised when they are reached.
            CheckpointError: the model draws NaN or infinity.
        """
        read = self._renderer.read
        rendered = RenderedSource(self._renderer, read([source]))
        start = None if reference is None else self._keypoints(read([reference]))
        return self._stream(rendered, frames, start)

    def _stream(
        self,
        source: RenderedSource,
        frames: Iterable[Frame],
        reference: Tensor | None,  # (1, N, 2) in [-1, 1]
    ) -> Iterator[Frame]:
        for batch in batches(frames, self._renderer.batch_size):
            driving = self._keypoints(self._renderer.read(batch))
            if reference is None:
                reference = driving[:1]
            poses = self._poses(source.keypoints, driving, reference)
            yield from to_frames(resize(source.draw(poses), self.size))

    @torch.no_grad()
    def _keypoints(
        self,
        images: Tensor,  # (B, 3, S, S) in [0, 1]
    ) -> Tensor:  # (B, N, 2) in [-1, 1]
        return self._renderer.model.keypoints(images)

    @torch.no_grad()
    def _poses(
        self,
        source: Tensor,  # (1, N, 2) in [-1, 1]
        driving: Tensor,  # (B, N, 2) in [-1, 1]
        reference: Tensor,  # (1, N, 2) in [-1, 1]
    ) -> Tensor:  # (B, N, 2)
        model = self._renderer.model
        return transfer_keypoints(
            self._mode,
            source,
            driving,
            reference,
            model.avd,
            hull_scaling=model.relative_hull_scaling,
        )
