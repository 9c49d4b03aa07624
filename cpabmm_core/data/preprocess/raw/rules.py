"""The thresholds that decide which stretches of a video become clips, by subject."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.errors import ConfigError

TOO_FEW_FRAMES = "too few frames"
TOO_SMALL = "too small"
LEAVES_FRAME = "the box leaves the frame"
TOO_WIDE = "too large for a square crop"
NOTHING_MOVES = "nothing moves"
CAMERA_MOVES = "the camera moves"
LIGHT_CHANGES = "the light changes"
NO_SUBJECT = "no subject found"


class Candidate(NamedTuple):
    """A stretch of a video that becomes a clip or is dropped."""

    start: int
    """The number of its first frame."""
    end: int
    """The number of the frame after its last."""
    box: Box | None
    """The box to crop to, in whole pixels; None if there is none."""
    dropped: str | None = None
    """Why the stretch is dropped; None if it becomes a clip."""


@dataclass(frozen=True)
class ClipRules:
    """Thresholds for the clips of a subject; `rules_for` gives the defaults.

    Example:
        >>> from cpabmm_core.data.preprocess import rules_for
        >>> rules = rules_for("bodies", min_frames=64)
        >>> rules.min_frames, rules.max_frames, rules.min_size
        (64, 1024, 300)
    """

    min_frames: int
    """Shorter clips are dropped."""
    max_frames: int
    """Longer stretches are split into clips of at most this many frames."""
    min_size: int
    """The smallest size of a subject, in pixels. For faces and motion, it applies to the longer
    side of the union of all boxes; otherwise, to the shorter side of the frame."""
    margin: float
    """The distance by which each edge of the square moves outwards, as a share of its side."""


# The values for faces and bodies are those of VoxCeleb and TaiChiHD.
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
    """Return the rules for a subject, with optional changes.

    Args:
        subject: ``faces``, ``faces-dlib``, ``bodies``, ``motion`` or ``none``, optionally with the
            options of its detector after ``?``.
        min_frames: replaces `ClipRules.min_frames` of the subject, unless None.
        max_frames: replaces `ClipRules.max_frames`.
        min_size: replaces `ClipRules.min_size`.
        margin: replaces `ClipRules.margin`.

    Returns:
        The rules.

    Raises:
        ConfigError: the subject is unknown, or a value is out of range.

    Example:
        >>> from cpabmm_core.data.preprocess import rules_for
        >>> rules_for("faces", margin=0.3)
        ClipRules(min_frames=64, max_frames=1024, min_size=256, margin=0.3)
    """
    plain = subject.partition("?")[0]
    if plain not in _RULES:
        raise ConfigError(f"subject {subject}: unknown; choose one of {', '.join(SUBJECTS)}")
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
            "and a margin in [0, 1]; change them"
        )
    return rules
