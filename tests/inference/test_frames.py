from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.inference.frames import batches, resize, to_frames, to_model_input

CPU = torch.device("cpu")


def noise(height: int, width: int) -> Frame:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_square_frame_of_the_right_size_survives_unchanged() -> None:
    frame = noise(24, 24)
    image = to_model_input(frame, 24, CPU)
    assert image.shape == (1, 3, 24, 24)
    assert image[0, 1, 2, 3].item() == pytest.approx(frame[2, 3, 1] / 255)
    assert np.array_equal(to_frames(image)[0], frame)


@pytest.mark.parametrize("size", [13, 100])
def test_resizing_agrees_with_pillow(size: int) -> None:
    frame = (
        noise(40, 40) // 2 + 64
    )  # away from the limits, because Pillow clips between its two passes
    (ours,) = to_frames(resize(to_model_input(frame, 40, CPU), size))
    theirs = np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_resizing_stays_in_range() -> None:
    checks = np.indices((8, 8)).sum(axis=0) % 2 * 255
    image = to_model_input(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8), 8, CPU)
    enlarged = resize(image, 50)
    assert 0 <= enlarged.min() <= enlarged.max() <= 1


def test_a_single_pixel_is_a_frame() -> None:
    image = to_model_input(np.full((1, 1, 3), 51, dtype=np.uint8), 16, CPU)
    torch.testing.assert_close(image, torch.full((1, 3, 16, 16), 0.2))


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((0, 4, 3), dtype=np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_another_layout_is_an_error(frame: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match=r"frame: expected .*, got"):
        to_model_input(frame, 16, CPU)


def test_to_frames_rounds_and_clamps() -> None:
    image = torch.tensor([-0.1, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.1]).view(1, 1, 1, 5)
    (frame,) = to_frames(image.expand(1, 3, 1, 5))
    assert frame[0, :, 0].tolist() == [0, 0, 1, 255, 255]


def test_batches_keep_order_and_do_not_read_ahead() -> None:
    taken: list[int] = []

    def frames() -> Iterator[Frame]:
        for number in range(5):
            taken.append(number)
            yield np.full((1, 1, 3), number, dtype=np.uint8)

    numbers = []
    for batch, expected in zip(batches(frames(), 2), (2, 4, 5), strict=True):
        assert len(taken) == expected
        numbers.append([int(frame[0, 0, 0]) for frame in batch])
    assert numbers == [[0, 1], [2, 3], [4]]
