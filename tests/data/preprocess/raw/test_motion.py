"""The box of all motion, and the criteria for a fixed camera, on synthetic scenes."""

import numpy as np
import pytest
from _helpers.raw_videos import across, ground, wandering, with_square
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.raw.camera import CameraMonitor
from cpabmm_core.data.preprocess.raw.finders import make_finder
from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.motion_box import MotionBox
from cpabmm_core.data.preprocess.raw.rules import Candidate, rules_for

Frames = list[NDArray[np.uint8]]
SIDE = 24
RULES = rules_for("motion", min_frames=10, min_size=40)


def noisy(frames: Frames, sigma: float = 3.0) -> Frames:
    numbers = np.random.default_rng(7)
    return [
        (frame + numbers.normal(0, sigma, frame.shape)).clip(0, 255).astype(np.uint8)
        for frame in frames
    ]


def find(frames: Frames, subject: str = "motion", cuts: tuple[int, ...] = ()) -> list[Candidate]:
    height, width = frames[0].shape[:2]
    finder = make_finder(subject, RULES, width, height, None)
    scene_frames = [SceneFrame(k, image, k == 0 or k in cuts) for k, image in enumerate(frames)]
    found = [
        each
        for k in range(0, len(scene_frames), 8)
        for each in finder.add_frames(scene_frames[k : k + 8])
    ]
    return [*found, *finder.finish()]


def box_of(frames: Frames) -> Box:
    motion = MotionBox()
    for frame in frames:
        motion.add(frame)
    box, _ = motion.find()
    assert box is not None
    return box


@pytest.mark.parametrize("count", [12, 60, 200])
def test_a_moving_square_is_found(count: int) -> None:
    """The box is the union of all positions, to two pixels of the small image, despite noise."""
    frames = noisy(wandering(across(count)))
    truth = (40, 40, 90 + SIDE, 50 + SIDE)
    assert np.abs(np.array(box_of(frames)) - truth).max() <= 2 * 192 / 160 + 1


def test_a_short_motion_between_samples_counts() -> None:
    """The box includes a motion that lasts for eight of a thousand frames."""
    still = with_square(ground(), (40, 40), SIDE)
    away = with_square(ground(), (100, 40), SIDE)
    box = box_of([still] * 500 + [away] * 8 + [still] * 492)
    assert box.left <= 42
    assert box.right >= 100 + SIDE - 3


def test_noise_is_not_motion() -> None:
    (found,) = find(noisy([ground()] * 15, sigma=8.0))
    assert (found.start, found.end, found.dropped) == (0, 15, "nothing moves")


def test_a_background_that_jitters_by_a_pixel_does_not_move() -> None:
    wide = ground(0, 200, 108)
    frames = [
        with_square(wide[:, k % 2 : 192 + k % 2], corner, SIDE)
        for k, corner in enumerate(across(60))
    ]
    truth = (40, 40, 90 + SIDE, 50 + SIDE)
    assert np.abs(np.array(box_of(frames)) - truth).max() <= 4


def test_clips_are_squares_around_the_motion() -> None:
    (found,) = find(wandering(across(20)))
    assert (found.start, found.end, found.dropped) == (0, 20, None)
    assert found.box is not None
    assert found.box.width == found.box.height
    # The motion is 74 x 34 around (77, 57), with a margin of a tenth within the height of 108.
    assert abs(found.box.width - 1.2 * 74) <= 5
    assert abs((found.box.left + found.box.right) / 2 - 77) <= 3
    assert abs((found.box.top + found.box.bottom) / 2 - 57) <= 3


def test_a_scene_cut_ends_a_clip() -> None:
    frames = wandering(across(15)) + wandering(across(15), seed=5)
    found = [(each.start, each.end, each.dropped) for each in find(frames, cuts=(15,))]
    assert found == [(0, 15, None), (15, 30, None)]


@pytest.mark.parametrize(
    ("corners", "side", "reason"),
    [
        (across(9), SIDE, "too few frames"),
        (across(12, (40, 40), (48, 48)), SIDE, "too small"),
        (across(30, (0, 40), (168, 40)), SIDE, "too large for a square crop"),
    ],
)
def test_reasons_to_drop_a_stretch(corners: list[tuple[int, int]], side: int, reason: str) -> None:
    (found,) = find(wandering(corners, side))
    assert found.dropped == reason


def test_camera_motion_ends_a_clip() -> None:
    wide = ground(0, 400, 108)
    still = [with_square(wide[:, :192], corner, SIDE) for corner in across(20)]
    moving = [wide[:, 4 * k : 4 * k + 192] for k in range(1, 21)]
    reasons = [(each.start, each.end, each.dropped) for each in find(still + moving)]
    assert reasons[0] == (0, 20, None)
    assert reasons[-1][1:] == (40, "the camera moves")
    assert reasons[-1][0] in (20, 21, 22)


def shifted(pixels: float) -> NDArray[np.uint8]:
    """Return a smooth image of 256 x 256 pixels, shifted to the right."""
    y, x = np.mgrid[0:256, 0:256].astype(float)
    grey = 128 + 50 * np.sin((x - pixels) / 9) + 50 * np.cos(y / 11 + (x - pixels) / 23)
    return np.repeat(grey[..., None].astype(np.uint8), 3, axis=2)


@pytest.mark.parametrize(
    ("step", "expected"), [(0.0, None), (0.8, None), (1.25, "the camera moves")]
)
def test_flow_of_more_than_a_pixel_is_camera_motion(step: float, expected: str | None) -> None:
    watch = CameraMonitor()
    messages = [watch.find_change(shifted(step * k), begins_scene=k == 0) for k in range(4)]
    assert messages == [None, None, expected, expected]


def test_a_single_small_jump_is_ignored_and_a_large_one_is_not() -> None:
    watch = CameraMonitor()
    places = [0.0, 0.0, 1.5, 1.5, 8.5, 8.5]
    messages = [
        watch.find_change(shifted(place), begins_scene=k == 0) for k, place in enumerate(places)
    ]
    assert messages == [None, None, None, None, "the camera moves", None]


@pytest.mark.parametrize(("change", "expected"), [(1, None), (2, "the light changes")])
def test_a_change_of_light_is_detected(change: int, expected: str | None) -> None:
    watch = CameraMonitor()
    image = ground()
    assert watch.find_change(image, begins_scene=True) is None
    assert watch.find_change(image + np.uint8(change), begins_scene=False) == expected
    assert watch.find_change(image, begins_scene=True) is None


def test_without_subject_the_box_is_the_centred_square() -> None:
    frames = wandering(across(25))
    (found,) = find(frames, "none")
    assert found == (0, 25, (42, 0, 150, 108), None)
    pieces = [(each.start, each.end, each.dropped) for each in find(frames, "none", (5,))]
    assert pieces == [(0, 5, "too few frames"), (5, 25, None)]
