"""What makes a clip of a data set, in numbers, by the kind of its subject."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.errors import ConfigError

TOO_FEW_FRAMES = "too few frames"
TOO_SMALL = "too small"
LEAVES_FRAME = "the box leaves the frame"
TOO_WIDE = "no square of the frame holds it"
NOTHING_MOVES = "nothing moves"
CAMERA_MOVES = "the camera moves"
LIGHT_CHANGES = "the light changes"
NO_SUBJECT = "no subject found"


class Candidate(NamedTuple):
    """A stretch of a video that becomes a clip, or does not."""

    start: int
    """Number of its first frame."""
    end: int
    """Number of the frame after its last one."""
    box: Box | None
    """What to cut out, in whole pixels; None where there is nothing to cut."""
    dropped: str | None = None
    """Why it is no clip."""


@dataclass(frozen=True)
class ClipRules:
    """Numbers that decide about a clip."""

    min_frames: int
    """A clip of fewer frames is dropped."""
    max_frames: int
    """After so many frames a clip ends, and the next one begins."""
    min_size: int
    """In pixels: of faces and motion the longer side of their union, else the frame's shorter."""
    margin: float
    """Share of the square by which each of its sides moves outwards."""


# Of faces and bodies they are those of the field's data sets VoxCeleb and TaiChiHD.
_FACES = ClipRules(min_frames=64, max_frames=1024, min_size=256, margin=0.1)
_RULES = {
    "faces": _FACES,
    "faces-dlib": _FACES,
    "bodies": ClipRules(min_frames=128, max_frames=1024, min_size=300, margin=0.05),
    "motion": ClipRules(min_frames=64, max_frames=1024, min_size=128, margin=0.1),
    "none": ClipRules(min_frames=64, max_frames=1024, min_size=128, margin=0.0),
}
SUBJECTS = tuple(_RULES)


def rules_for(
    subject: str,
    *,
    min_frames: int | None = None,
    max_frames: int | None = None,
    min_size: int | None = None,
    margin: float | None = None,
) -> ClipRules:
    """The rules for a subject, with its own numbers where none are given.

    Args:
        subject: one of `SUBJECTS`, with or without options of its detector.
        min_frames: see `ClipRules`, as the others.
        max_frames: likewise.
        min_size: likewise.
        margin: likewise.

    Raises:
        ConfigError: there is no such subject, or the numbers contradict each other.
    """
    plain = subject.partition("?")[0]
    if plain not in _RULES:
        raise ConfigError(f"subject {subject}: choose one of {', '.join(SUBJECTS)}")
    given: dict[str, Any] = {
        "min_frames": min_frames,
        "max_frames": max_frames,
        "min_size": min_size,
        "margin": margin,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    rules = replace(_RULES[plain], **changed)
    if not 2 <= rules.min_frames <= rules.max_frames:
        raise ConfigError(
            f"min_frames {rules.min_frames}, max_frames {rules.max_frames}: expected "
            "2 <= min_frames <= max_frames; change one of them"
        )
    if rules.min_size < 1 or not 0 <= rules.margin <= 1:
        raise ConfigError(
            f"min_size {rules.min_size}, margin {rules.margin:g}: expected a size of at least 1 "
            "and a margin in [0, 1]"
        )
    return rules
