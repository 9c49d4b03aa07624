"""Reconstruction: a video drawn again from its first frame, the field's test of a model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.inference.frames import batches, to_frames
from cpabmm_core.inference.renderer import RenderedSource, Renderer
from cpabmm_core.metrics.pixel_error import mean_over_frames
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import PrecisionChoice


class Reconstruction(Iterator[tuple[Frame, Frame]]):
    """Pairs of a real and a generated frame, and the scores of those drawn so far.

    The scores are computed before rounding, on the real frame as the model sees it.
    """

    def __init__(self, renderer: Renderer, frames: Iterable[Frame]) -> None:
        self.frames = 0
        """Number of frames drawn so far."""
        self._renderer = renderer
        self._generated_error = 0.0
        self._still_error = 0.0
        self._pairs = self._draw(frames)

    @property
    def l1(self) -> float:
        """Mean absolute difference of generated and real frames, in [0, 1]."""
        return self._mean(self._generated_error)

    @property
    def standing_still(self) -> float:
        """Mean absolute difference of the first frame and each real one, in [0, 1]."""
        return self._mean(self._still_error)

    def __next__(self) -> tuple[Frame, Frame]:
        return next(self._pairs)

    def _draw(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Frame]]:
        source = None
        for batch in batches(frames, self._renderer.batch_size):
            real = self._renderer.read(batch)
            if source is None:
                source = RenderedSource(self._renderer, real[:1].clone())
            generated = self._generate(source, real)
            still_errors = _errors(source.image, real)
            pairs = zip(to_frames(real), to_frames(generated), strict=True)
            errors = zip(_errors(generated, real), still_errors, strict=True)
            for pair, (generated_error, still_error) in zip(pairs, errors, strict=True):
                self._generated_error += generated_error
                self._still_error += still_error
                self.frames += 1
                yield pair

    @torch.no_grad()
    def _generate(
        self,
        source: RenderedSource,
        real: Tensor,  # (B, 3, S, S) in [0, 1]
    ) -> Tensor:  # (B, 3, S, S) in [0, 1]
        model = self._renderer.model
        background = model.background(source.image.expand_as(real), real)
        return source.draw(model.keypoints(real), background)

    def _mean(self, total: float) -> float:
        if not self.frames:
            raise DataError("reconstruction: no frame was drawn; give a video with a frame or more")
        return total / self.frames


@dataclass(frozen=True)
class SetReconstruction:
    """Scores of a set of reconstructed videos, in [0, 1]."""

    l1: float
    """Mean over all frames of all videos, as the field prints it."""
    l1_videos: float
    """Mean over the videos of their means."""
    standing_still: float
    """Of a model that repeats each first frame: mean over all frames, to compare with `l1`."""


def summarise(videos: Sequence[Reconstruction]) -> SetReconstruction:
    """The scores of a set from its reconstructions, of which there is one at least, all exhausted.

    Raises:
        DataError: one of them drew no frame.
    """
    frames = [video.frames for video in videos]
    return SetReconstruction(
        l1=mean_over_frames([video.l1 for video in videos], frames),
        l1_videos=fmean(video.l1 for video in videos),
        standing_still=mean_over_frames([video.standing_still for video in videos], frames),
    )


def reconstruct(
    model: AnimationModel,
    frames: Iterable[Frame],
    *,
    device: str | None = None,
    batch_size: int | None = None,
    precision: PrecisionChoice = "fp32",
) -> Reconstruction:
    """Draw every frame of a video from the first, with the motion of its background.

    Memory does not grow with the number of frames.

    Args:
        model: the model; it is put into eval mode and on the device.
        frames: (H, W, 3) uint8 RGB each, of any size and shape; the first is the source too. Of
            each the largest centred square is used, resized to the model's frame size.
        device: auto, cpu, cuda, cuda:N or mps; None leaves the model where it is.
        batch_size: frames drawn at a time; None takes 8 on CUDA and 4 elsewhere.
        precision: of the networks; ``auto`` takes what suits the device. A batch that is not
            finite in half precision is drawn again in fp32.

    Returns:
        An iterator of (real, generated), both (S, S, 3) uint8 RGB; once it is exhausted, its ``l1``
        and ``standing_still`` are those of the video.

    Raises:
        ConfigError: an unknown precision or a batch size below 1.
        ResourceError: there is no such device.
    """
    return Reconstruction(Renderer(model, device, batch_size, precision), frames)


def _errors(
    images: Tensor,  # (B, 3, S, S), or (1, 3, S, S)
    real: Tensor,  # (B, 3, S, S)
) -> list[float]:  # B
    """Mean absolute difference of each frame."""
    errors: list[float] = (images - real).abs().mean(dim=(1, 2, 3)).tolist()
    return errors
