"""Reconstruction of a video from its first frame, the standard evaluation of the field."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.frames import batches, to_frames
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.metrics.pixel_error import mean_over_frames
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import PrecisionChoice


class FrameErrors(NamedTuple):
    """Errors of one reconstructed frame, in [0, 1], computed before rounding to uint8.

    Example:
        >>> errors = FrameErrors(l1=0.02, standing_still=0.08)  # of a `ReconstructedFrame`
        >>> errors.l1 < errors.standing_still  # the model beats the static baseline
        True
    """

    l1: float
    """Mean absolute difference between the generated and the real frame."""
    standing_still: float
    """Mean absolute difference between the first frame and the real one (static baseline)."""


class ReconstructedFrame(NamedTuple):
    """One frame of a reconstruction.

    Example:
        >>> import numpy as np
        >>> black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
        >>> frame = ReconstructedFrame(white, black, FrameErrors(l1=1.0, standing_still=0.0))
        >>> real, generated, errors = frame
        >>> errors.l1
        1.0
    """

    real: Frame  # (S, S, 3) uint8 RGB
    """The real frame as the model sees it: cropped to a square and resized."""
    generated: Frame  # (S, S, 3) uint8 RGB
    """The frame that the model generated from the first one."""
    errors: FrameErrors
    """The errors of the generated frame."""


@dataclass(frozen=True)
class VideoScore:
    """Mean errors of one reconstructed video, in [0, 1]; `score_video` returns them.

    Example:
        >>> score = score_video([FrameErrors(0.0, 0.0), FrameErrors(0.25, 0.5)])
        >>> score.frames, score.l1, score.standing_still
        (2, 0.125, 0.25)
    """

    frames: int
    """Number of frames."""
    l1: float
    """L1 of the generated frames."""
    standing_still: float
    """L1 of the static baseline, which repeats the first frame."""


@dataclass(frozen=True)
class SetScore:
    """Mean errors of a set of reconstructed videos, in [0, 1]; `score_set` returns them.

    Example:
        >>> score = score_set([VideoScore(1, 0.5, 1.0), VideoScore(3, 0.1, 0.2)])
        >>> round(score.l1, 3), round(score.l1_videos, 3)  # the longer video counts more in `l1`
        (0.2, 0.3)
    """

    l1: float
    """Mean over all frames of all videos, the value that papers report."""
    l1_videos: float
    """Mean over the videos of their means."""
    standing_still: float
    """L1 of the static baseline, mean over all frames; compare it with `l1`."""


def reconstruct(
    model: AnimationModel,
    frames: Iterable[Frame],
    *,
    device: str | None = None,
    batch_size: int | None = None,
    precision: PrecisionChoice = "fp32",
) -> Iterator[ReconstructedFrame]:
    """Regenerate every frame of a video from its first frame.

    The estimated motion of the background is included. Memory does not grow with the number of
    frames.

    Args:
        model: the model; it is moved to the device and switched to eval mode.
        frames: (H, W, 3) uint8 RGB each, of any size and shape; the first one is also the source.
            The largest centred square of each is resized to the model's frame size.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; None leaves the model on its
            current device.
        batch_size: number of frames to process at a time; None means as for
            `InferenceModel`.
        precision: precision of the networks; ``auto`` picks the fastest that the device supports
            natively. A batch that is not finite in half precision is rendered again in fp32.

    Returns:
        An iterator over the frames, in order, each with its real counterpart and its errors.
        `score_video` averages the errors.

    Raises:
        ConfigError: the precision is unknown, or the batch size is below 1.
        ResourceError: the device does not exist.

    Example:
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> video = render_puppet(seed=7, index=0, split="test", frames=9, size=96)
        >>> model = load_model("puppets", device="cpu")
        >>> score = score_video(frame.errors for frame in reconstruct(model, video.frames))
        >>> score.frames, score.l1 < score.standing_still
        (9, True)
    """
    return _reconstruct(InferenceModel(model, device, batch_size, precision), frames)


def score_video(errors: Iterable[FrameErrors]) -> VideoScore:
    """Average the errors of a video's frames.

    Args:
        errors: errors of all frames of the video; an iterator is consumed.

    Returns:
        The mean errors.

    Raises:
        DataError: there are no frames.

    Example:
        >>> score_video([FrameErrors(0.0, 0.0), FrameErrors(0.25, 0.5)])
        VideoScore(frames=2, l1=0.125, standing_still=0.25)
    """
    errors = list(errors)
    if not errors:
        raise DataError("reconstruction: the video has no frames; use one with at least one frame")
    l1, standing_still = zip(*errors, strict=True)
    return VideoScore(len(errors), fmean(l1), fmean(standing_still))


def score_set(videos: Sequence[VideoScore]) -> SetScore:
    """Average the scores of a set of videos.

    Args:
        videos: scores of at least one video.

    Returns:
        The means over all frames and over the videos.

    Example:
        >>> score_set([VideoScore(1, 0.5, 1.0), VideoScore(3, 0.1, 0.2)])
        SetScore(l1=0.2, l1_videos=0.3, standing_still=0.4)
    """
    frames = [video.frames for video in videos]
    return SetScore(
        l1=mean_over_frames([video.l1 for video in videos], frames),
        l1_videos=fmean(video.l1 for video in videos),
        standing_still=mean_over_frames([video.standing_still for video in videos], frames),
    )


def _reconstruct(
    inference_model: InferenceModel, frames: Iterable[Frame]
) -> Iterator[ReconstructedFrame]:
    source = None
    for batch in batches(frames, inference_model.batch_size):
        real = inference_model.to_input(batch)
        if source is None:
            source = EncodedSource(inference_model, real[:1].clone())
        generated = _generate(inference_model.networks, source, real)
        errors = map(FrameErrors, _l1(generated, real), _l1(source.image, real))
        yield from map(ReconstructedFrame, to_frames(real), to_frames(generated), errors)


@torch.no_grad()
def _generate(
    model: AnimationModel,
    source: EncodedSource,
    real: Tensor,  # (B, 3, S, S) in [0, 1]
) -> Tensor:  # (B, 3, S, S) in [0, 1]
    background = model.background(source.image.expand_as(real), real)
    return source.render(model.keypoints(real), background)


def _l1(
    images: Tensor,  # (B, 3, S, S), or (1, 3, S, S)
    real: Tensor,  # (B, 3, S, S)
) -> list[float]:  # B
    """Return the mean absolute difference of each image."""
    errors: list[float] = (images - real).abs().mean(dim=(1, 2, 3)).tolist()
    return errors
