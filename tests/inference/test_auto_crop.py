"""Automatic crops, with a detector whose keypoints are known and with the bundled model."""

import re

import numpy as np
import pytest
import torch
from _helpers.blob_detector import blob_model
from _helpers.tiny_model import tiny_model
from numpy.typing import NDArray
from torch import Tensor, nn

from cpabmm_core import load_model
from cpabmm_core.errors import DataError
from cpabmm_core.inference.auto_crop import find_region
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.regions import Fit, Region, frame_region
from cpabmm_core.inference.subject_warning import subject_warning
from cpabmm_core.media.notices import show_notices
from cpabmm_core.puppets import render_puppet

BOX = 1 + 2 * 0.55
"""The side of the crop around a square, as a share of the square's side. A fifth of the keypoints
lies on each side of it, so leaving out 15% changes nothing."""


def blob(width: int, height: int, left: int, top: int, side: int) -> NDArray[np.uint8]:
    """Return a black picture with a white square."""
    image = np.zeros((height, width, 3), np.uint8)
    image[top : top + side, left : left + side] = 255
    return image


def contains(region: Region, left: int, top: int, side: int) -> bool:
    return (
        region.left <= left
        and region.top <= top
        and left + side <= region.left + region.width
        and top + side <= region.top + region.height
    )


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize(
    ("width", "height", "left", "top", "side"),
    [(512, 384, 300, 150, 90), (300, 401, 60, 220, 120), (640, 200, 420, 60, 80)],
)
def test_the_subject_is_centred_with_a_margin(
    width: int, height: int, left: int, top: int, side: int, fit: Fit
) -> None:
    region = find_region(blob_model(), [blob(width, height, left, top, side)], fit)
    assert region.width == region.height
    assert region.width == pytest.approx(BOX * side, rel=0.12)  # keypoints are 1/32 of a view apart
    assert region.left + region.width / 2 == pytest.approx(left + side / 2, abs=0.06 * side)
    assert region.top + region.height / 2 == pytest.approx(top + side / 2, abs=0.06 * side)
    assert contains(region, left, top, side)


@pytest.mark.parametrize("corner", [(0, 0), (420, 0), (0, 300), (420, 300)])
def test_the_region_stays_inside_the_picture(corner: tuple[int, int]) -> None:
    region = find_region(blob_model(), [blob(512, 384, *corner, 84)])
    assert region.inside(512, 384) == region
    assert region.width == region.height
    assert contains(region, *corner, 84)


def test_a_tenth_of_the_keypoints_may_be_astray() -> None:
    image = blob(512, 384, 380, 250, 90)
    assert contains(find_region(blob_model(astray=2), [image]), 380, 250, 90)
    assert find_region(blob_model(astray=2), [image]).width < 1.1 * BOX * 90


def test_one_region_holds_the_subject_of_all_frames() -> None:
    frames = [blob(512, 384, left, 150, 60) for left in (100, 160, 220)]
    region = find_region(blob_model(), frames)
    assert all(contains(region, left, 150, 60) for left in (100, 160, 220))
    assert region.width < 300
    blank = np.zeros((384, 512, 3), np.uint8)  # as between two scenes
    assert find_region(blob_model(), [*frames, blank]) == region


def test_pad_keeps_what_no_square_of_the_picture_can_hold() -> None:
    image = np.zeros((400, 100, 3), np.uint8)
    image[130:310, 20:80] = 255
    notices: list[str] = []
    with show_notices(notices.append):
        assert find_region(blob_model(), [image], "crop", name="tall.png").width == 100
        assert notices == [
            "tall.png: the subject does not fit into the largest square of the picture; pad the"
            " picture to a square to show all of it"
        ]
        region = find_region(blob_model(), [image], "pad", name="tall.png")
    assert len(notices) == 1
    assert (region.left, region.width) == (0, 100)
    assert region.top <= 120
    assert region.top + region.height >= 320
    assert region.height < 400


class Fixed(nn.Module):
    """Places the same keypoints on every picture: the corners of a square of this half side."""

    def __init__(self, half: float) -> None:
        super().__init__()
        self.reach = half

    def forward(self, images: Tensor) -> Tensor:
        corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        return (corners * self.reach).expand(len(images), -1, -1)


def fixed_model(half: float) -> InferenceModel:
    model = tiny_model()
    model.keypoint_detector = Fixed(half)
    return InferenceModel(model, "cpu")


@pytest.mark.parametrize(
    ("half", "reason"),
    [
        (0.9, "the keypoints spread over all of it"),
        (0.3, "the keypoints do not settle on a part"),
        (0.001, "the keypoints coincide"),
        (float("nan"), "the keypoints coincide"),
    ],
)
def test_keypoints_that_say_nothing_leave_the_picture_whole(half: float, reason: str) -> None:
    notices: list[str] = []
    with show_notices(notices.append):
        region = find_region(fixed_model(half), [blob(96, 64, 0, 0, 9)], name="a.png")
    assert region == Region(0, 0, 96, 64)
    assert notices == [f"a.png: not cropped to the subject: {reason}; the whole picture is used"]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 300), (300, 1), (3, 2)])
def test_a_subject_that_fills_a_picture_of_any_shape_leaves_it_whole(
    width: int, height: int
) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    assert find_region(blob_model(), [white], "pad") == Region(0, 0, width, height)
    find_region(blob_model(), [white], "crop").inside(width, height)
    subject_warning(blob_model(), white, frame_region(width, height))


def test_transparent_parts_count_as_white() -> None:
    image = np.dstack([blob(512, 384, 300, 150, 90), np.full((384, 512), 255, np.uint8)])
    hidden = image.copy()
    hidden[150:240, 300:390] = 0  # black, but transparent
    assert find_region(blob_model(), [hidden]) == find_region(blob_model(), [image])
    assert find_region(blob_model(), [image]) == find_region(blob_model(), [image[..., :3]])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "expected one or more of one size, got 0 sizes"),
        ([blob(8, 8, 0, 0, 1), blob(9, 8, 0, 0, 1)], "expected one or more of one size, got 2"),
        ([np.zeros((8, 8), np.uint8)], r"expected \(H, W, 3 or 4\) uint8, got \(8, 8\) uint8"),
        ([np.zeros((8, 8, 3))], r"expected \(H, W, 3 or 4\) uint8, got \(8, 8, 3\) float64"),
    ],
    ids=["none", "sizes", "grey", "float"],
)
def test_other_images_are_an_error(images: list[NDArray[np.uint8]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_region(blob_model(), images)


@pytest.mark.parametrize(
    ("image", "warning"),
    [
        (blob(200, 200, 60, 60, 80), None),
        (blob(200, 200, 20, 20, 160), None),
        (
            blob(200, 200, 80, 80, 40),
            "a.png: the subject is small: its keypoints span 1[4-8]% of what the model sees;"
            " crop to it",
        ),
        (
            blob(200, 200, 0, 70, 80),
            "a.png: the subject touches the left edge of what the model sees",
        ),
        (
            blob(200, 200, 60, 120, 80),
            "a.png: the subject touches the bottom edge of what the model sees",
        ),
        (blob(200, 200, 60, 60, 0), None),
    ],
    ids=["centred", "large", "small", "left", "bottom", "nothing"],
)
def test_a_small_or_cut_subject_is_worth_a_warning(
    image: NDArray[np.uint8], warning: str | None
) -> None:
    found = subject_warning(blob_model(), image, frame_region(200, 200), name="a.png")
    assert found == warning or (found and warning and re.fullmatch(warning, found))


@pytest.mark.parametrize(("index", "left", "top"), [(0, 330, 20), (1, 20, 200), (4, 200, 120)])
def test_the_bundled_model_finds_a_puppet_in_a_large_picture(
    index: int, left: int, top: int
) -> None:
    video = render_puppet(11, index, split="test", frames=1, size=160)
    picture = np.pad(
        video.frames[0], ((top, 384 - 160 - top), (left, 512 - 160 - left), (0, 0)), "edge"
    )
    region = find_region(InferenceModel(load_model("puppets", device="cpu")), [picture])
    x, y = (video.joints[0] + (left, top)).T
    assert region.left <= x.min()
    assert region.top <= y.min()
    assert x.max() <= region.left + region.width - 1
    assert y.max() <= region.top + region.height - 1
    assert region.width <= 1.3 * 160
