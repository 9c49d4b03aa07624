"""All that decides what `preprocess videos` makes of a video."""

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
    """What is asked for."""

    subject: str = "motion"
    """One of `rules.SUBJECTS`, with or without options of its detector."""
    rules: ClipRules = field(default_factory=lambda: rules_for("motion"))
    size: int = 256
    """Side of the square clips, in pixels."""
    file_format: ClipFormat = "mp4"
    scenes: Scenes = "adaptive"
    test_share: float = 0.1
    """Share of the identities that go to ``test/``."""

    @property
    def needs_detector(self) -> bool:
        """Whether the subject is found by a network or another detector."""
        return self.subject not in _NO_DETECTOR


def describe_settings(settings: ClipSettings, request: Request) -> dict[str, Any]:
    """Check the settings, and say what they and the software are, for the manifest.

    Opens the detector, so that one that cannot be used fails before any work.

    Raises:
        ConfigError: a setting is wrong, or a package or weights are missing.
    """
    check_clip_size(settings.size, settings.file_format)
    if not 0 <= settings.test_share < 1:
        raise ConfigError(f"test_share {settings.test_share:g}: expected a share in [0, 1)")
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
