"""The settings that determine which clips are cut out of a video."""

from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from cpabmm_core.data.preprocess.clip_writer import NEAR_LOSSLESS_CRF, ClipFormat, check_clip_size
from cpabmm_core.data.preprocess.raw.rules import ClipRules, rules_for
from cpabmm_core.data.preprocess.raw.scenes import Scenes, check_scene_detector
from cpabmm_core.errors import ConfigError
from cpabmm_core.metrics.extractors import Request, open_subject_detector

_NO_DETECTOR = ("motion", "none")
_PACKAGES = ("cpabmm", "av", "numpy", "pillow", "scikit-image", "scipy")


@dataclass(frozen=True)
class ClipSettings:
    """The settings of `preprocess_videos`.

    Example:
        >>> from cpabmm_core.data.preprocess import ClipSettings, rules_for
        >>> settings = ClipSettings("faces-dlib", rules_for("faces-dlib"), size=128)
        >>> settings.needs_detector
        True
    """

    subject: str = "motion"
    """The subject, as in `rules_for`."""
    rules: ClipRules = field(default_factory=lambda: rules_for("motion"))
    """The thresholds for clips."""
    size: int = 256
    """The side of the square clips, in pixels."""
    file_format: ClipFormat = "mp4"
    """``mp4`` for near-lossless videos, ``png`` for lossless folders of frames."""
    scenes: Scenes = "adaptive"
    """How to find scene cuts; ``none`` assumes that the videos have none."""
    test_share: float = 0.1
    """The share of the identities in the test set, in [0, 1)."""

    @property
    def needs_detector(self) -> bool:
        """Whether a detector finds the subject."""
        return self.subject not in _NO_DETECTOR


def describe_settings(settings: ClipSettings, request: Request) -> dict[str, Any]:
    """Check the settings and describe them, with software versions, for the manifest.

    This opens the detector, so that missing packages or weights are reported before any work.

    Raises:
        ConfigError: a setting is invalid, or a package or weights are missing.
    """
    check_clip_size(settings.size, settings.file_format)
    if not 0 <= settings.test_share < 1:
        raise ConfigError(
            f"test_share {settings.test_share:g}: expected a share in [0, 1); change it"
        )
    scenes = check_scene_detector(settings.scenes)
    detector = None
    if settings.needs_detector:
        detector = open_subject_detector(settings.subject, request).info.as_dict()
    versions = {name: version(name) for name in _PACKAGES}
    if scenes:
        versions["scenedetect"] = scenes
    return {
        "subject": settings.subject,
        "detector": detector,
        **asdict(settings.rules),
        "size": settings.size,
        "format": settings.file_format,
        "crf": NEAR_LOSSLESS_CRF if settings.file_format == "mp4" else None,
        "scenes": settings.scenes,
        "test_share": settings.test_share,
        **{f"version of {name}": found for name, found in versions.items()},
    }
