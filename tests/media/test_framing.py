"""The rule for frames of any shape, and its use in training, inference and metrics."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cpabmm_core.config import DataConfig
from cpabmm_core.data.clip_frames import ClipFrames
from cpabmm_core.data.clip_set import open_clips
from cpabmm_core.inference.frames import to_frames, to_model_input
from cpabmm_core.media.framing import square_frame
from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.video_pairs import read_frame_pairs

Image = NDArray[np.uint8]
SHAPES = [(20, 31), (31, 20), (20, 30), (21, 20), (20, 20)]


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (20, 20, slice(0, 20), slice(0, 20)),
        (20, 30, slice(0, 20), slice(5, 25)),
        (30, 20, slice(5, 25), slice(0, 20)),
        (20, 31, slice(0, 20), slice(5, 25)),  # 5 columns on the left, 6 on the right
        (21, 20, slice(0, 20), slice(0, 20)),  # the additional row is the last one
    ],
)
def test_largest_centred_square_is_cropped(
    height: int, width: int, rows: slice, columns: slice
) -> None:
    image = noise(height, width)
    assert np.array_equal(square_frame(image, 20), image[rows, columns])


@pytest.mark.parametrize("size", [7, 13, 20, 100])
def test_square_is_resized_like_torch_with_antialiasing(size: int) -> None:
    image = (
        noise(20, 31) // 2 + 64
    )  # Pillow clips between its two passes, so values stay clear of the ends
    square = torch.from_numpy(image[:, 5:25].copy()).permute(2, 0, 1)[None].double()
    expected = torch.nn.functional.interpolate(square, (size, size), mode="bicubic", antialias=True)
    found = torch.from_numpy(square_frame(image, size)).permute(2, 0, 1)
    assert (found - expected[0]).abs().max() < 1.5  # Pillow rounds twice


def test_result_is_a_copy() -> None:
    image = noise(20, 20)
    square_frame(image, 20)[:] = 0
    assert image.any()


@pytest.mark.parametrize("size", [20, 12, 33])
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_training_inference_and_metrics_use_the_same_pixels(
    height: int, width: int, size: int, tmp_path: Path
) -> None:
    frames = [noise(height, width, seed) for seed in range(2)]
    expected = [square_frame(frame, size) for frame in frames]
    for folder, images in (("clips/a", frames), ("generated", expected)):
        (tmp_path / folder).mkdir(parents=True)
        for k, image in enumerate(images):
            write_image(tmp_path / folder / f"{k}.png", image)

    clips = open_clips(tmp_path / "clips", "refuse", print)
    pair = ClipFrames(clips, DataConfig(frame_size=size)).pair(0, lambda numbers: numbers)
    for frame, found, square in zip(frames, pair.images, expected, strict=True):
        assert np.array_equal(found, square)
        (seen,) = to_frames(to_model_input(frame, size, torch.device("cpu")))
        assert np.array_equal(seen, square)
    for real, generated in read_frame_pairs(tmp_path / "clips" / "a", tmp_path / "generated", 16):
        np.testing.assert_array_equal(real, generated)
