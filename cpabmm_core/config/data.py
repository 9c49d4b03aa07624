"""Settings of the training data."""

from typing import Annotated, Literal

from pydantic import Field

from cpabmm_core.config.section import Positive, Section, Weight


class AugmentConfig(Section):
    """Random changes that both frames of a training pair share.

    Example:
        >>> from cpabmm_core.config import AugmentConfig
        >>> AugmentConfig(hue=0.2).hue
        0.2
    """

    horizontal_flip: bool = True
    """Mirror half of the pairs that are not flipped in time (half of all pairs if ``time_flip`` is
    false)."""
    time_flip: bool = True
    """Swap source and driving frame in half of the pairs. If false, the source is always the
    earlier frame."""
    brightness: Weight = 0.1
    """Largest relative change of brightness. Frames are multiplied by a random factor in
    [1 - value, 1 + value]."""
    contrast: Weight = 0.1
    """Largest relative change of contrast, sampled like ``brightness``."""
    saturation: Weight = 0.1
    """Largest relative change of saturation, sampled like ``brightness``."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest shift of the hue, as a fraction of the colour wheel (0.5 is half a turn)."""
    resize: tuple[float, float] | None = None
    """Range of a random scale factor, followed by a random crop back to the frame size. null
    disables it."""


class DataConfig(Section):
    """The data set and how training pairs are sampled from it.

    Example:
        >>> from cpabmm_core.config import DataConfig
        >>> DataConfig(frame_size=128).repeats
        1
    """

    frame_size: Positive = 256
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
    """Memory for decoded frames, in MiB, in each process that reads data. 0 disables the cache."""
    on_error: Literal["skip", "refuse"] = "skip"
    """What to do about unreadable clips. ``skip`` reports them and continues with the others;
    ``refuse`` stops."""
    augment: AugmentConfig = AugmentConfig()
    """Random augmentation of the training pairs."""
