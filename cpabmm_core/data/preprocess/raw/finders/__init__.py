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
    """What looks for clips of a subject in one video of this size.

    Args:
        subject: one of `rules.SUBJECTS`, with or without options of its detector.
        rules: its numbers.
        width: of the frames.
        height: of the frames.
        detector: of the subject; None where it needs none, for ``motion`` and ``none``.
    """
    if detector is None:
        kind = MotionFinder if subject == "motion" else CentreFinder
        return kind(rules, width, height)
    if subject.startswith("bodies"):
        return BodyFinder(rules, width, height, make_detect(detector))
    detect = make_detect(detector, smallest=rules.min_size)
    return FaceFinder(rules, width, height, detect)
