"""Clips of faces and bodies, given the boxes of a detector."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.raw.finders.bodies import BodyFinder
from cpabmm_core.data.preprocess.raw.finders.detection import make_detect
from cpabmm_core.data.preprocess.raw.finders.faces import MAX_GAP, FaceFinder
from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.rules import Candidate, ClipRules, rules_for
from cpabmm_core.errors import ConfigError
from cpabmm_core.metrics.extractors import ExtractorInfo

FACES = rules_for("faces")
FACE = Box(100, 100, 400, 400)
WIDTH, HEIGHT = 1000, 600
BLANK = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)

Boxes = Sequence[Sequence[Box]]


def run(
    kind: type[FaceFinder] | type[BodyFinder],
    rules: ClipRules,
    boxes: Boxes,
    *,
    cuts: tuple[int, ...] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    images: Sequence[NDArray[np.uint8]] | None = None,
) -> list[Candidate]:
    frames = [
        SceneFrame(k, images[k] if images else BLANK, k == 0 or k in cuts)
        for k in range(len(boxes))
    ]
    finder = kind(rules, *size, lambda frames: [list(boxes[frame.number]) for frame in frames])
    found = [
        each for k in range(0, len(frames), 8) for each in finder.add_frames(frames[k : k + 8])
    ]
    return [*found, *finder.finish()]


def faces(boxes: Boxes, cuts: tuple[int, ...] = (), rules: ClipRules = FACES) -> list[Candidate]:
    return run(FaceFinder, rules, boxes, cuts=cuts)


def spans(found: list[Candidate]) -> list[tuple[int, int, str | None]]:
    return [(each.start, each.end, each.dropped) for each in found]


def moved(box: Box, x: float = 0, y: float = 0) -> Box:
    return Box(box.left + x, box.top + y, box.right + x, box.bottom + y)


def test_defaults_match_the_published_data_sets() -> None:
    assert rules_for("faces-dlib") == ClipRules(64, 1024, 256, 0.1)
    assert rules_for("bodies") == ClipRules(128, 1024, 300, 0.05)
    assert rules_for("faces?weights=a", min_frames=10).min_frames == 10


@pytest.mark.parametrize(
    ("subject", "numbers", "words"),
    [
        ("cats", {}, "choose one of"),
        ("faces", {"min_frames": 2000}, "min_frames 2000, max_frames 1024"),
        ("none", {"min_frames": 1}, "2 <= min_frames"),
        ("none", {"margin": 1.5}, "margin in"),
    ],
)
def test_invalid_rules_are_refused(subject: str, numbers: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        rules_for(subject, **numbers)


def test_a_face_that_stays_gives_one_clip() -> None:
    """The union 100..420 x 100..400 becomes a square of 320, and 384 with a tenth on each side."""
    (found,) = faces([[FACE]] * 50 + [[moved(FACE, 20)]] * 50)
    assert found == (0, 100, (68, 58, 452, 442), None)


@pytest.mark.parametrize(("shift", "ends"), [(179, False), (181, True)])
def test_a_clip_ends_below_an_overlap_of_a_quarter(shift: int, ends: bool) -> None:
    """Two boxes of width 300, shifted by d, have IoU (300 - d) / (300 + d): a quarter at 180."""
    found = faces([[FACE]] * 70 + [[moved(FACE, shift)]] * 70)
    expected = [(0, 70, None), (70, 140, None)] if ends else [(0, 140, None)]
    assert [each[:2] for each in spans(found)] == [each[:2] for each in expected]


def test_the_overlap_refers_to_the_first_box() -> None:
    """A face that moves by 2 pixels per frame has moved by 180 after 90 frames."""
    found = faces([[moved(FACE, 2 * k)] for k in range(160)])
    assert [each.start for each in found][:2] == [0, 91]
    assert found[0].end == 91


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([[FACE]] * 63, "too few frames"),
        ([[Box(100, 100, 355, 355)]] * 64, "too small"),
        ([[moved(FACE, -80)]] * 64, "the box leaves the frame"),
    ],
)
def test_reasons_to_drop_a_face(boxes: Boxes, reason: str) -> None:
    (found,) = faces(boxes)
    assert found.dropped == reason


def test_a_clip_of_minimal_size_and_length_is_kept() -> None:
    (found,) = faces([[Box(100, 100, 356, 340)]] * 64)
    assert found.dropped is None


def test_after_1024_frames_the_next_clip_begins() -> None:
    found = faces([[FACE]] * 1100)
    assert spans(found) == [(0, 1024, None), (1024, 1100, None)]


def test_a_scene_cut_ends_all_clips() -> None:
    assert spans(faces([[FACE]] * 150, cuts=(70,))) == [(0, 70, None), (70, 150, None)]


@pytest.mark.parametrize("gap", [MAX_GAP, MAX_GAP + 1])
def test_a_face_may_be_missed_for_a_few_frames(gap: int) -> None:
    boxes: Boxes = [[FACE]] * 70 + [[]] * gap + [[FACE]] * 70
    found = spans(faces(boxes))
    whole = [(0, 140 + gap, None)]
    split = [(0, 70, None), (70 + gap, 140 + gap, None)]
    assert found == (whole if gap <= MAX_GAP else split)


def test_frames_after_the_last_face_do_not_count() -> None:
    assert spans(faces([[FACE]] * 70 + [[]] * 30)) == [(0, 70, None)]


def test_two_faces_are_two_clips() -> None:
    other = moved(FACE, 450, 50)
    found = faces([[FACE, other]] * 40 + [[other, FACE]] * 40)
    assert sorted(each.box[0] for each in found if each.box) == [70, 520]
    assert spans(found) == [(0, 80, None)] * 2


class FakeDetector:
    """A detector of the bounding box of bright pixels."""

    info = ExtractorInfo("fake", "1", "", "")

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def boxes(self, frames: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
        self.shapes.append(frames.shape)
        found = []
        for frame in frames:
            y, x = np.nonzero(frame[..., 0] > 127)
            box = [x.min(), y.min(), x.max() + 1, y.max() + 1] if len(x) else []
            found.append(np.array(box, dtype=float).reshape(-1, 4))
        return found


def test_frames_are_shrunk_for_large_faces_and_boxes_scaled_back() -> None:
    image = BLANK.copy()
    image[120:440, 200:500] = 255
    detector = FakeDetector()
    frames = [SceneFrame(0, image, True), SceneFrame(1, BLANK, False)]
    assert make_detect(detector, smallest=256)(frames) == [[Box(200, 120, 500, 440)], []]
    assert make_detect(detector)(frames) == [[Box(200, 120, 500, 440)], []]
    assert detector.shapes == [(2, 300, 500, 3), (2, 600, 1000, 3)]


BODIES = rules_for("bodies")
PERSON = Box(300, 100, 400, 500)  # its square is 130..570 x 80..520, 440 pixels wide


def bodies(boxes: Boxes, **more: object) -> list[Candidate]:
    return run(BodyFinder, BODIES, boxes, **more)  # type: ignore[arg-type]


def test_the_box_is_fixed_by_the_first_frame() -> None:
    (found,) = bodies([[PERSON]] * 70 + [[moved(PERSON, 50, 10)]] * 70)
    assert found == (0, 140, (130, 80, 570, 520), None)


def test_a_clip_ends_when_the_person_leaves_the_square() -> None:
    found = bodies([[PERSON]] * 130 + [[moved(PERSON, 0, 21)]] * 130)
    assert [each[:2] for each in found] == [(0, 130), (130, 260)]
    assert found[1].box == (130, 101, 570, 541)


def test_a_clip_ends_when_another_person_enters_it() -> None:
    other = Box(571, 200, 650, 500)
    inside = moved(other, -5)
    found = bodies([[PERSON, other]] * 130 + [[PERSON, inside]] * 130)
    ours = [each for each in found if each.box == (130, 80, 570, 520)]
    assert spans(ours) == [(0, 130, None)]


def test_small_people_are_ignored_and_short_clips_dropped() -> None:
    assert bodies([[Box(300, 100, 340, 159)]] * 130) == []
    assert spans(bodies([[PERSON]] * 127)) == [(0, 127, "too few frames")]


def test_a_square_is_moved_into_the_frame() -> None:
    (found,) = bodies([[moved(PERSON, -280)]] * 130)
    assert found.box == (0, 80, 440, 520)


def test_videos_below_300_pixels_have_no_clips() -> None:
    found = run(BodyFinder, BODIES, [[]] * 10, size=(640, 299))
    assert found == [(0, 10, None, "too small")]


def test_a_change_of_light_ends_a_clip_of_a_body() -> None:
    images = [BLANK] * 130 + [BLANK + np.uint8(9)] * 131
    found = bodies([[PERSON]] * 261, images=images)
    assert spans(found) == [
        (0, 130, None),
        (130, 131, "the light changes"),
        (131, 261, None),
    ]
