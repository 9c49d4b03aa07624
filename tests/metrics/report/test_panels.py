from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, packet_times, write_test_video
from _helpers.reports import Frames, content_of, decoded, flat_frames, write_frames
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.report.panels import (
    ERROR_TOP,
    GAP,
    MAX_FRAMES,
    SIDE,
    Panels,
    render_panels,
    render_row,
)
from cpabmm_core.visualize.heat import heat_map


def split(row: Frames, side: int) -> list[Frames]:
    """The four panels of a row."""
    return [row[:, left : left + side] for left in range(0, 4 * (side + GAP), side + GAP)]


def frames_of(panels: Panels) -> list[Frames]:
    assert panels.video is not None
    return [image for _, image in decoded(panels.video)]


def test_the_panels_are_source_real_generated_and_error(tmp_path: Path) -> None:
    real, generated = flat_frames(10, 60, 200), flat_frames(10, 90, 251)
    panels = render_panels(
        write_frames(tmp_path / "a", real), write_frames(tmp_path / "b", generated)
    )
    images = frames_of(panels)
    assert len(images) == panels.frames == 3
    for image, one, other in zip(images, real, generated, strict=True):
        assert image.shape == (panels.height, panels.width, 3) == (32, 4 * 32 + 3 * GAP, 3)
        error = np.full((32, 32), (int(other[0, 0, 0]) - int(one[0, 0, 0])) / 255)
        expected = [real[0], one, other, heat_map(error, ERROR_TOP)]
        for panel, pixels in zip(split(image, 32), expected, strict=True):
            middle = np.s_[8:24, 8:24]  # chroma subsampling blurs the edges
            difference = panel[middle].astype(float) - pixels[middle]
            assert np.abs(difference).max() <= 6, difference.mean(axis=(0, 1))


def test_the_poster_shows_the_frame_with_the_largest_error(tmp_path: Path) -> None:
    panels = render_panels(
        write_frames(tmp_path / "a", flat_frames(10, 60, 110, 160)),
        write_frames(tmp_path / "b", flat_frames(10, 90, 180, 170)),
    )
    poster = np.asarray(Image.open(BytesIO(content_of(panels.poster))))
    greys = [panel[16, 16, 0] for panel in split(poster, 32)[:3]]
    np.testing.assert_allclose(greys, [10, 110, 180], atol=3)


def test_the_error_map_averages_differences_before_colouring() -> None:
    real = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
    generated = real.copy()
    generated[::2, :, 1] = 90  # one channel of every other row
    row, error = render_row(real, real, generated)
    mean = 90 / 3 / 2 / 255
    assert error == pytest.approx(mean)
    expected = heat_map(np.full((SIDE, SIDE), mean), ERROR_TOP)
    np.testing.assert_array_equal(split(row, SIDE)[3], expected)


@pytest.mark.parametrize(
    ("height", "width", "panel"),
    [(480, 320, (160, 107)), (100, 400, (40, 160)), (64, 48, (64, 48))],
)
def test_panels_keep_the_aspect_ratio_and_are_never_enlarged(
    height: int, width: int, panel: tuple[int, int]
) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    row, _ = render_row(image, image, image)
    assert row.shape == (panel[0], 4 * panel[1] + 3 * GAP, 3)


def test_real_frames_are_framed_as_for_the_metrics(tmp_path: Path) -> None:
    real = np.zeros((2, 32, 64, 3), np.uint8)
    real[:, :, 16:48] = 200  # the centred square
    generated = flat_frames(200, 200, size=(32, 32))
    panels = render_panels(
        write_frames(tmp_path / "a", real), write_frames(tmp_path / "b", generated)
    )
    for image in frames_of(panels):
        source, truth, _, error = split(image, 32)
        assert abs(int(source[:, 4:28].min()) - 200) < 6
        assert abs(int(truth[:, 4:28].min()) - 200) < 6
        assert error[:, 8:].max() < 12


def test_timestamps_start_at_the_first_frame_of_the_video(tmp_path: Path) -> None:
    pts, base = [30, 31, 35, 36], Fraction(1, 12)
    real = write_test_video(tmp_path / "a.mp4", pts=pts, time_base=base)
    frames = np.stack([numbered_frame(number) for number in range(4)])
    folder = write_frames(tmp_path / "b", frames)
    expected = [(each - 30) / 12 for each in pts]
    assert packet_times(real)[0] == Fraction(30, 12)
    for pair in ((real, folder), (folder, real)):  # a folder has no timestamps
        panels = render_panels(*pair)
        assert panels.video is not None
        moments = decoded(panels.video)
        assert [time for time, _ in moments] == pytest.approx(expected)
        assert panels.seconds == pytest.approx(expected[-1])
        width = (panels.width - 3 * GAP) // 4
        shown = [number_of(image[:, width + GAP : 2 * width + GAP]) for _, image in moments]
        assert shown == [0, 1, 2, 3]


def test_a_long_video_is_shortened(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=MAX_FRAMES + 20, size=(16, 16))
    panels = render_panels(path, path)
    assert panels.frames == MAX_FRAMES == len(frames_of(panels))
    assert panels.seconds == pytest.approx((MAX_FRAMES - 1) / 25)


def test_two_images_give_a_still_image(tmp_path: Path) -> None:
    for name, grey in (("a", 40), ("b", 120)):
        write_image(tmp_path / f"{name}.png", flat_frames(grey, size=(16, 64))[0])
    panels = render_panels(tmp_path / "a.png", tmp_path / "b.png")
    assert (panels.video, panels.frames, panels.seconds) == (None, 1, 0.0)
    poster = np.asarray(Image.open(BytesIO(content_of(panels.poster))))
    assert poster.shape == (16, 4 * 64 + 3 * GAP, 3)
    np.testing.assert_allclose(
        [panel[8, 32, 0] for panel in split(poster, 64)[:3]], [40, 40, 120], atol=3
    )


def test_a_video_of_one_frame_gives_a_still_image(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a", flat_frames(40))
    assert render_panels(path, path).video is None


def test_a_missing_video_is_a_media_error(tmp_path: Path) -> None:
    real = write_test_video(tmp_path / "a.mp4", frames=2)
    with pytest.raises(MediaError, match="no such file"):
        render_panels(real, tmp_path / "b.mp4")
