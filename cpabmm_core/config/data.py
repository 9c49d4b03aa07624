"""Settings of the training data."""

from typing import Annotated, Literal

from pydantic import Field

from cpabmm_core.config.section import FrameSize, NonNegative, Positive, Section


class AugmentConfig(Section):
    """Random changes that both frames of a training pair share.

    Example:
        >>> from cpabmm_core.config import AugmentConfig
        >>> AugmentConfig(hue=0.2).hue
        0.2
    """

    horizontal_flip: bool = True
    """Mirror half of the pairs whose frames are not swapped (half of all pairs if ``time_flip`` is
    false)."""
    time_flip: bool = True
    """Swap the source and the driving frame of half of the pairs. If false, the source is always
    the earlier frame."""
    brightness: NonNegative = 0.1
    """Largest relative change of brightness. Frames are multiplied by a random factor in
    [1 - value, 1 + value]."""
    contrast: NonNegative = 0.1
    """Largest relative change of contrast, sampled like ``brightness``."""
    saturation: NonNegative = 0.1
    """Largest relative change of saturation, sampled like ``brightness``."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest shift of the hue, as a fraction of the colour wheel (0.5 is half a turn)."""
    resize: tuple[float, float] | None = None
    """Range of a random scale factor. The scaled frames are cropped to the frame size at a random
    position. null disables rescaling."""


class DataConfig(Section):
    """The data set and how training pairs are sampled from it.

    Example:
        >>> from cpabmm_core.config import DataConfig
        >>> DataConfig(frame_size=128).repeats
        1
    """

    frame_size: FrameSize = 256
    """Side of the square training frames, in pixels. The model estimates motion at this size."""
    identity_sampling: bool = True
    """Treat clips whose names agree up to the first ``#`` as one identity. If false, every clip is
    an identity of its own."""
    repeats: Positive = 1
    """Pairs sampled from each identity per epoch. Each pair comes from a random clip of the
    identity."""
    test_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Fraction of the identities held out for validation. It applies only to a data set without
    ``train`` and ``test`` folders; 0 holds out none."""
    cache_mb: Annotated[int, Field(ge=0)] = 1024
    """Size of the cache of decoded frames, in MiB, for each process that reads data. 0 disables
    it."""
    on_error: Literal["skip", "refuse"] = "skip"
    """How to handle unusable clips: ``skip`` reports them and continues with the others, ``refuse``
    stops with an error."""
    augment: AugmentConfig = AugmentConfig()
    """Random augmentation of the training pairs."""
