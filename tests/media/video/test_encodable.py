import numpy as np
import pytest

from cpabmm_core.media.video.encodable import to_coded_frame, to_palette_frame, with_alpha


@pytest.mark.parametrize(("pixels", "channels"), [("yuv422p10le", 3), ("yuva444p10le", 4)])
def test_no_row_of_a_frame_is_left_empty(pixels: str, channels: int) -> None:
    """The threads of FFmpeg did that to one in 200 frames of ten bits."""
    for number in range(1500):
        colour = (200, 100, 50, 90)[:channels] if number % 2 else (100, 50, 25, 45)[:channels]
        frame = to_coded_frame(np.full((64, 49, channels), colour, np.uint8), 49, 64, pixels)
        brightness = np.frombuffer(bytes(frame.planes[0]), np.uint16)
        rows = brightness.reshape(64, frame.planes[0].line_size // 2)[:, :49]
        assert np.ptp(rows.astype(int)) <= 4, number  # it is dithered


@pytest.mark.parametrize("colours", [8, 100, 256])
def test_a_palette_has_as_many_colours_as_are_allowed(colours: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    frame = to_palette_frame(image, colours)
    shown = frame.to_ndarray(format="rgb24", threads=1).reshape(-1, 3)
    assert len(np.unique(shown, axis=0)) == colours


def test_what_is_hidden_takes_no_colour_of_the_palette() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((32, 64, 4), dtype=np.uint8)
    image[:, 32:, :3] = rng.integers(0, 256, (32, 32, 3))  # transparent noise
    image[:, :32, 0] = np.arange(32) * 8
    image[:, :32, 3] = 255
    shown = to_palette_frame(image).to_ndarray(format="rgba", threads=1)
    np.testing.assert_array_equal(shown[:, :32], image[:, :32])
    assert (shown[:, 32:, 3] == 0).all()


def test_an_rgb_image_becomes_opaque_and_an_rgba_image_stays() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    whole = with_alpha(image)
    np.testing.assert_array_equal(whole[..., :3], image)
    assert (whole[..., 3] == 255).all()
    assert with_alpha(whole) is whole
