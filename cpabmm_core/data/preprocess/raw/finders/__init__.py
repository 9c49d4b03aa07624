"""Finders of clips, one for each kind of subject."""

from cpabmm_core.data.preprocess.raw.finders.bodies import BodyFinder
from cpabmm_core.data.preprocess.raw.finders.centre import CentreFinder
from cpabmm_core.data.preprocess.raw.finders.detection import make_detect
from cpabmm_core.data.preprocess.raw.finders.faces import FaceFinder
from cpabmm_core.data.preprocess.raw.finders.interface import Finder
from cpabmm_core.data.preprocess.raw.finders.motion import MotionFinder
from cpabmm_core.data.preprocess.raw.rules import ClipRules
from cpabmm_core.metrics.extractors import SubjectDetector

__all__ = ["Finder", "make_finder"]


def make_finder(
    subject: str, rules: ClipRules, width: int, height: int, detector: SubjectDetector | None
) -> Finder:
    """Create the finder of a subject for one video.

    Args:
        subject: the subject, as in `rules_for`.
        rules: thresholds for clips.
        width: width of the frames, in pixels.
        height: height of the frames, in pixels.
        detector: detector of the subject; None for ``motion`` and ``none``.
    """
    if detector is None:
        kind = MotionFinder if subject == "motion" else CentreFinder
        return kind(rules, width, height)
    if subject.startswith("bodies"):
        return BodyFinder(rules, width, height, make_detect(detector))
    detect = make_detect(detector, smallest=rules.min_size)
    return FaceFinder(rules, width, height, detect)
