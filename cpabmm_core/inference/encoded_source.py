"""A source image, encoded once and rendered in any number of poses."""

import torch
from torch import Tensor

from cpabmm_core.errors import CheckpointError
from cpabmm_core.inference.inference_model import InferenceModel


class EncodedSource:
    """A source image with its keypoints and feature maps, computed once.

    Attributes:
        image: the source, (1, 3, S, S) in [0, 1].
        keypoints: its keypoints, (1, N, 2) in [-1, 1], or (1, N, 6) with affine motion.

    Example:
        >>> from cpabmm_core import load_model
        >>> inference_model = InferenceModel(load_model("puppets", device="cpu"))
        >>> source = EncodedSource(inference_model, torch.rand(1, 3, 96, 96))
        >>> source.render(source.keypoints.expand(2, -1, -1)).shape
        torch.Size([2, 3, 96, 96])
    """

    @torch.no_grad()
    def __init__(
        self,
        inference_model: InferenceModel,
        image: Tensor,  # (1, 3, S, S) in [0, 1]
    ) -> None:
        """Detect the keypoints of the source and compute its feature maps.

        Args:
            inference_model: the model to render with.
            image: the source, for example from `InferenceModel.to_input`.
        """
        self.image = image
        self.keypoints = inference_model.model.keypoints(image)
        self._inference_model = inference_model
        with inference_model.autocast(inference_model.dtype):
            self._features = inference_model.model.generator.encode(image)

    @torch.no_grad()
    def render(
        self,
        poses: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        background: Tensor | None = None,  # (B, 3, 3)
    ) -> Tensor:  # (B, 3, S, S) float32 in [0, 1]
        """Render the source in each pose.

        If half precision gives values that are not finite, the batch is rendered again in float32.

        Args:
            poses: keypoints of the driving poses.
            background: affine motion of the background, from driving to source coordinates; None
                for a background at rest.

        Returns:
            One image per pose.

        Raises:
            CheckpointError: the result is not finite in float32 either.
        """
        dtype = self._inference_model.dtype
        images = self._render(poses, background, self._features, dtype)
        if dtype != torch.float32 and not images.isfinite().all():
            images = self._render(poses, background, None, torch.float32)
        if not images.isfinite().all():
            raise CheckpointError(
                "the model renders NaN or infinity: its weights are damaged",
                "use another checkpoint",
            )
        return images

    def _render(
        self,
        poses: Tensor,  # (B, N, 2 or 6)
        background: Tensor | None,  # (B, 3, 3)
        features: list[Tensor] | None,  # of the source
        dtype: torch.dtype,
    ) -> Tensor:  # (B, 3, S, S)
        model = self._inference_model.model
        with self._inference_model.autocast(dtype):
            motion = model.motion(self.image, self.keypoints, poses, background)
            return model.generate(self.image, motion, features).float()
