"""A source image, encoded once and rendered in any number of poses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import CheckpointError, DataError
from cpabmm_core.inference.frames import square_to_input
from cpabmm_core.inference.full_size import add_detail
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.transparency import WHITE, Colour
from cpabmm_core.models.dense_motion import Motion


@dataclass(frozen=True)
class RenderedFrames:
    """What `EncodedSource.render_frames` returns: images and how they came about.

    Example:
        >>> from cpabmm_core import load_model
        >>> inference_model = InferenceModel(load_model("puppets", device="cpu"))
        >>> source = EncodedSource(inference_model, torch.rand(1, 3, 128, 128))
        >>> rendered = source.render_frames(source.keypoints.expand(2, -1, -1))
        >>> len(rendered.images), len(rendered.motion.deformation), len(rendered.poses)
        (2, 2, 2)
    """

    images: Tensor  # (B, 3 or 4, T, T) float32 in [0, 1]
    """The source in each pose."""
    motion: Motion
    """The motion from each pose to the source, at the model's size."""
    poses: Tensor  # (B, N, 2 or 6) in [-1, 1]
    """The keypoints of the poses."""


class EncodedSource:
    """A source image with its keypoints and feature maps, computed once.

    The networks see the source at the model's frame size S. With a larger version of it, results
    have that version's size T and its sharpness: what is visible in the source is rendered from its
    own pixels.

    Attributes:
        image: the source as the networks see it, (1, 3, S, S) in [0, 1], or (B, 3, S, S).
        large: the same square at the size of the results, (1 or B, 3 or 4, T, T), or None.
        keypoints: its keypoints, (1, N, 2) in [-1, 1], or (1, N, 6) with affine motion; one set
            per image.
        matte: the colour behind a source with alpha, (R, G, B) in [0, 1].

    Example:
        >>> from cpabmm_core import load_model
        >>> inference_model = InferenceModel(load_model("puppets", device="cpu"))
        >>> image, large = torch.rand(1, 3, 128, 128), torch.rand(1, 3, 250, 250)
        >>> source = EncodedSource(inference_model, image, large)
        >>> source.render(source.keypoints.expand(2, -1, -1)).shape
        torch.Size([2, 3, 250, 250])
    """

    @torch.no_grad()
    def __init__(
        self,
        inference_model: InferenceModel,
        image: Tensor,  # (1, 3, S, S), or (B, 3, S, S), in [0, 1]
        large: Tensor | None = None,  # (1, 3 or 4, T, T), or batch B, in [0, 1]
        *,
        matte: Colour = WHITE,
    ) -> None:
        """Detect the keypoints of the source and compute its feature maps.

        Args:
            inference_model: the model to render with.
            image: the source, for example from `InferenceModel.to_input`. Of B images, each is
                rendered in one pose: the frames of a source that moves.
            large: the same square at the size to render. With a fourth channel, its colours are
                mixed with `matte` and the fourth channel is alpha. None renders at size S.
            matte: the colour behind a source with alpha, also in `image`.

        Raises:
            DataError: `large` is not square, or has another batch size or number of channels.
        """
        if large is not None:
            _check_large(image, large)
        self.image = image
        self.large = large
        self.keypoints = inference_model.networks.keypoints(image)
        self._inference_model = inference_model
        self.matte = matte
        with inference_model.autocast(inference_model.dtype):
            self._features = inference_model.networks.generator.encode(image)

    @classmethod
    def from_squares(
        cls,
        inference_model: InferenceModel,
        squares: list[Frame],
        size: int | None = None,
        *,
        matte: Colour = WHITE,
    ) -> "EncodedSource":
        """Encode a square picture, or B frames of a moving one, to render at a size.

        Args:
            inference_model: the model to render with.
            squares: (H, H, 3) uint8 RGB each, or (H, H, 4) with alpha; all of one shape.
            size: side of the results in pixels; None means the side of the squares.
            matte: the colour to put transparent parts on for the networks.

        Returns:
            The source. Results have an alpha channel if the squares have one.

        Raises:
            DataError: a square has another layout.

        Example:
            >>> import numpy as np
            >>> from cpabmm_core import load_model
            >>> inference_model = InferenceModel(load_model("puppets", device="cpu"))
            >>> square = np.zeros((150, 150, 4), np.uint8)
            >>> source = EncodedSource.from_squares(inference_model, [square])
            >>> source.render(source.keypoints).shape
            torch.Size([1, 4, 150, 150])
        """
        small, device = inference_model.model.frame_size, inference_model.device
        size = squares[0].shape[0] if size is None else size
        images = [square_to_input(square, small, device, matte)[:, :3] for square in squares]
        has_alpha = squares[0].shape[2] == 4
        large = None
        if has_alpha or size != small:
            large = torch.cat([square_to_input(square, size, device, matte) for square in squares])
        return cls(inference_model, torch.cat(images), large, matte=matte)

    def render(
        self,
        poses: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        background: Tensor | None = None,  # (B, 3, 3)
    ) -> Tensor:  # (B, 3 or 4, T, T) float32 in [0, 1]
        """Render the source in each pose.

        If half precision gives values that are not finite, the batch is rendered again in float32.

        Args:
            poses: keypoints of the driving poses; with B source images, one pose for each.
            background: affine motion of the background, from driving to source coordinates; None
                for a background at rest.

        Returns:
            One image per pose, of side T, or S without a larger source. With alpha, colours are not
            premultiplied, and putting the image on the matte gives the opaque image.

        Raises:
            CheckpointError: the result is not finite in float32 either.
        """
        return self.render_frames(poses, background).images

    @torch.no_grad()
    def render_frames(
        self,
        poses: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        background: Tensor | None = None,  # (B, 3, 3)
    ) -> RenderedFrames:
        """Render the source in each pose, as `render` does, and keep the motion.

        Args:
            poses: keypoints of the driving poses; with B source images, one pose for each.
            background: affine motion of the background, as for `render`.

        Returns:
            The images, the motion and the poses.

        Raises:
            CheckpointError: the result is not finite in float32 either.
        """
        dtype = self._inference_model.dtype
        images, motion = self._render(poses, background, self._features, dtype)
        if dtype != torch.float32 and not images.isfinite().all():
            images, motion = self._render(poses, background, None, torch.float32)
        if not images.isfinite().all():
            raise CheckpointError(
                "the model renders NaN or infinity: its weights are damaged",
                "use another checkpoint",
            )
        if self.large is not None:
            images = add_detail(images, motion, self.image, self.large, matte=self.matte)
        return RenderedFrames(images, motion, poses)

    def _render(
        self,
        poses: Tensor,  # (B, N, 2 or 6)
        background: Tensor | None,  # (B, 3, 3)
        features: list[Tensor] | None,  # of the source
        dtype: torch.dtype,
    ) -> tuple[Tensor, Motion]:  # (B, 3, S, S)
        model = self._inference_model.networks
        with self._inference_model.autocast(dtype):
            motion = model.motion(self.image, self.keypoints, poses, background)
            return model.generate(self.image, motion, features).float(), motion


def _check_large(image: Tensor, large: Tensor) -> None:
    batch, channels, height, width = large.shape
    if channels not in {3, 4} or height != width or batch != len(image):
        raise DataError(
            f"large: expected ({len(image)}, 3 or 4, T, T), got {tuple(large.shape)}",
            "resize the square that the networks see",
        )
