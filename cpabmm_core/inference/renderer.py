"""A source image, encoded once, drawn in any number of poses."""

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.device import resolve_device
from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.inference.frames import to_model_input
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import DTYPES, PrecisionChoice, choose_precision

_BATCH_SIZE = {"cuda": 8}
_BATCH_SIZE_ELSEWHERE = 4


class Renderer:
    """A model on its device, ready to read frames and to draw sources."""

    def __init__(
        self,
        model: AnimationModel,
        device: str | None = None,
        batch_size: int | None = None,
        precision: PrecisionChoice = "fp32",
    ) -> None:
        """Put the model into eval mode and on its device.

        Args:
            model: the model; it is moved, not copied.
            device: as for `resolve_device`; None leaves the model where it is.
            batch_size: frames drawn at a time; None takes 8 on CUDA and 4 elsewhere.
            precision: of the dense motion and inpainting networks; ``auto`` as for
                `choose_precision`. Keypoints, fits and flows are always computed in float32.

        Raises:
            ConfigError: an unknown precision, or a batch size below 1.
            ResourceError: there is no such device.
        """
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size: expected 1 or more, got {batch_size}")
        if device is not None:
            model.to(resolve_device(device))
        self.model = model.eval()
        self.device = next(model.parameters()).device
        self.batch_size = batch_size or _BATCH_SIZE.get(self.device.type, _BATCH_SIZE_ELSEWHERE)
        self.dtype = DTYPES[choose_precision(precision, self.device)]

    def read(self, frames: list[Frame]) -> Tensor:  # (B, 3, S, S) in [0, 1]
        """The frames as the model takes them."""
        size = self.model.frame_size
        return torch.cat([to_model_input(frame, size, self.device) for frame in frames])

    def autocast(self, dtype: torch.dtype) -> torch.autocast:
        """Context in which the networks compute in `dtype`."""
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)


class RenderedSource:
    """A source image whose keypoints and features are computed once."""

    @torch.no_grad()
    def __init__(
        self,
        renderer: Renderer,
        image: Tensor,  # (1, 3, S, S) in [0, 1]
    ) -> None:
        self.image = image
        self.keypoints = renderer.model.keypoints(image)  # (1, N, 2) in [-1, 1]
        self._renderer = renderer
        with renderer.autocast(renderer.dtype):
            self._features = renderer.model.generator.encode(image)

    @torch.no_grad()
    def draw(
        self,
        poses: Tensor,  # (B, N, 2) in [-1, 1]
        background: Tensor | None = None,  # (B, 3, 3)
    ) -> Tensor:  # (B, 3, S, S) float32 in [0, 1]
        """Draw the source in each pose.

        A batch that is not finite in half precision is drawn again in float32.

        Raises:
            CheckpointError: the model draws what is not finite in float32 either.
        """
        dtype = self._renderer.dtype
        images = self._draw(poses, background, self._features, dtype)
        if dtype != torch.float32 and not images.isfinite().all():
            images = self._draw(poses, background, None, torch.float32)
        if not images.isfinite().all():
            raise CheckpointError(
                "the model draws NaN or infinity; its weights are damaged: take another checkpoint"
            )
        return images

    def _draw(
        self,
        poses: Tensor,  # (B, N, 2)
        background: Tensor | None,  # (B, 3, 3)
        features: list[Tensor] | None,  # of the source
        dtype: torch.dtype,
    ) -> Tensor:  # (B, 3, S, S)
        model = self._renderer.model
        with self._renderer.autocast(dtype):
            motion = model.motion(self.image, self.keypoints, poses, background)
            return model.generate(self.image, motion, features).float()
