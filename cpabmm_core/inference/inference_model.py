"""A model prepared for inference: on a device, in eval mode, with a precision and a batch size."""

from copy import copy

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.device import resolve_device
from cpabmm_core.errors import ConfigError
from cpabmm_core.inference import cuda_frames
from cpabmm_core.inference.frames import to_model_input
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.fast import prepare_for_inference
from cpabmm_core.precision import DTYPES, PrecisionChoice, choose_precision

_BATCH_SIZE, _BATCH_SIZE_OF_LARGE_FRAMES = 8, 4
_LARGE = 128
"""Frames larger than this fill a processor, so that a batch of 4 loses nothing."""


class InferenceModel:
    """A model on its device, in eval mode, with the precision and batch size to run it with.

    Attributes:
        model: the model itself.
        networks: the same model prepared for inference on a CPU (`models.fast`); it shares the
            parameters. On other devices it is the model itself, which computes a batch at once.
        device: the device it is on.
        batch_size: number of frames to process at a time.
        dtype: floating-point type of the dense motion network and the generator. Keypoints, fits
            and flows are always computed in float32.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core import load_model
        >>> inference_model = InferenceModel(load_model("puppets", device="cpu"), batch_size=2)
        >>> frame = np.zeros((120, 160, 3), np.uint8)
        >>> inference_model.to_input([frame, frame]).shape
        torch.Size([2, 3, 128, 128])
    """

    def __init__(
        self,
        model: AnimationModel,
        device: str | None = None,
        batch_size: int | None = None,
        precision: PrecisionChoice = "fp32",
    ) -> None:
        """Move the model to its device and switch it to eval mode.

        Args:
            model: the model; it is moved, not copied.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; None leaves the model on its
                current device.
            batch_size: number of frames to process at a time; None means up to 32 on CUDA, as its
                memory allows; elsewhere 8, or 4 if the model's frames are larger than 128 pixels.
            precision: precision of the dense motion network and the generator; ``auto`` picks the
                fastest that the device supports natively.

        Raises:
            ConfigError: the precision is unknown, or the batch size is below 1.
            ResourceError: the device does not exist.
        """
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size: expected 1 or more, got {batch_size}")
        if device is not None:
            model.to(resolve_device(device))
        self.model = model.eval()
        self.device = next(model.parameters()).device
        self.networks = _networks(model, self.device)
        self.batch_size = batch_size or _default_batch_size(self.device, model.frame_size)
        self.dtype = DTYPES[choose_precision(precision, self.device)]

    def to_input(self, frames: list[Frame]) -> Tensor:  # (B, 3, S, S) in [0, 1]
        """Crop and resize frames to the model's input, on its device.

        Args:
            frames: (H, W, 3) uint8 RGB each, of any size and shape. The largest centred square of
                each is resized to the model's frame size S.

        Returns:
            One image per frame, float32.

        Raises:
            DataError: a frame has another layout.
        """
        size = self.model.frame_size
        return torch.cat([to_model_input(frame, size, self.device) for frame in frames])

    def with_model(self, model: AnimationModel) -> "InferenceModel":
        """Return an inference model of another model with the same settings.

        Args:
            model: the model, in eval mode and on the device.
        """
        changed = copy(self)
        changed.model, changed.networks = model, _networks(model, self.device)
        return changed

    def autocast(self, dtype: torch.dtype) -> torch.autocast:
        """Return a context in which the networks compute in `dtype`."""
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)


def _networks(model: AnimationModel, device: torch.device) -> AnimationModel:
    return prepare_for_inference(model) if device.type == "cpu" else model


def _default_batch_size(device: torch.device, frame_size: int) -> int:
    if device.type == "cuda":
        return cuda_frames.batch_size(device, frame_size)
    return _BATCH_SIZE_OF_LARGE_FRAMES if frame_size > _LARGE else _BATCH_SIZE
