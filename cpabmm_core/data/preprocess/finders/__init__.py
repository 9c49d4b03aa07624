"""Finders of clips, one for each kind of subject."""

from cpabmm_core.data.preprocess.finders.bodies import BodyFinder
from cpabmm_core.data.preprocess.finders.detect import detect_with
from cpabmm_core.data.preprocess.finders.faces import FaceFinder
from cpabmm_core.data.preprocess.finders.interface import Finder
from cpabmm_core.data.preprocess.finders.motion import MotionFinder
from cpabmm_core.data.preprocess.finders.whole import WholeFinder
from cpabmm_core.data.preprocess.rules import Rules
from cpabmm_core.metrics.extractors import SubjectDetector

__all__ = ["Finder", "make_finder"]


def make_finder(
    subject: str, rules: Rules, width: int, height: int, detector: SubjectDetector | None
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
        kind = MotionFinder if subject == "motion" else WholeFinder
        return kind(rules, width, height)
    if subject.startswith("bodies"):
        return BodyFinder(rules, width, height, detect_with(detector))
    detect = detect_with(detector, smallest=rules.min_size)
    return FaceFinder(rules, width, height, detect)
