"""Large pictures, and small files that announce large ones."""

import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files import pictures_jpeg, pictures_other, pictures_png, pictures_tiff
from _helpers.odd_files.pictures_png import Make
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import read_image
from cpabmm_core.media.notices import show_notices
from cpabmm_core.media.pictures import limits
from cpabmm_core.media.pictures.quiet import quiet

BOMBS = [
    pictures_png.make_bomb,
    pictures_jpeg.make_jpeg_bomb,
    pictures_tiff.make_tiff_bomb,
    pictures_other.make_gif_bomb,
    pictures_other.make_webp_bomb,
    pictures_other.make_bmp_bomb,
    pictures_other.make_portable_bomb,
]
# `getrusage` would include the memory of the process that started this one.
PEAK = """
import sys
from pathlib import Path
from cpabmm_core.media.image import read_image
shape = read_image(sys.argv[1]).shape
status = Path("/proc/self/status").read_text().split()
print(shape, int(status[status.index("VmHWM:") + 1]) / 1e6)
"""


@pytest.mark.parametrize("make", BOMBS)
def test_bombs_are_refused_with_size_and_limit(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "a")
    with pytest.raises(MediaError, match=r"\d+ x \d+ pixels \([\d,]+ megapixels\) .*limit .* \d+"):
        read_image(tmp_path / "a")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux states the peak memory there")
def test_photo_of_200_megapixels(tmp_path: Path) -> None:
    Image.new("RGB", (16320, 12240), "teal").save(tmp_path / "a.jpg", quality=30)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "a.jpg")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    shape, _, peak = done.stdout.strip().rpartition(" ")
    assert (shape, done.stderr) == ("(6120, 8160, 3)", "")
    assert float(peak) < 2


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "gif", "jp2", "avif"])
def test_large_pictures_are_reduced_and_the_caller_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(limits, "FULL_SIZE_PIXELS", 1000)
    ramp = np.linspace(0, 255, 80)[None, :, None] + np.zeros((50, 1, 3))
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(ramp.astype(np.uint8)).save(path, quality=95)
    told: list[str] = []
    with show_notices(told.append):
        shown = read_image(path)
    assert shown.shape in ((25, 40, 3), (13, 20, 3))
    assert (
        np.abs(shown.astype(int).mean(axis=(0, 2)) - np.linspace(0, 255, shown.shape[1])).max() < 8
    )
    assert told == [
        f"{path}: 80 x 50 pixels, read at {shown.shape[1]} x {shown.shape[0]} to save memory"
    ]


def test_very_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    pictures_jpeg.make_junk_around(tmp_path / "a.jpg")
    os.truncate(tmp_path / "a.jpg", 3 << 30)  # a hole, which takes no room
    with pytest.raises(MediaError, match=r"JPEG file of 3,072 MB; the limit is 1,024 MB"):
        read_image(tmp_path / "a.jpg")


def test_reducing_in_strips_averages_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_ROWS_OF_STRIP", 2)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)
    blocks = pixels.reshape(4, 4, 3, 4, 3).mean(axis=(1, 3))
    shown = np.asarray(limits.reduced(Image.fromarray(pixels), 4))
    assert np.abs(shown - blocks).max() <= 0.51


def test_ordinary_pictures_are_read_whole_without_a_notice(tmp_path: Path) -> None:
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    told: list[str] = []
    with show_notices(told.append):
        assert read_image(tmp_path / "a.png").shape == (480, 640, 3)
    assert told == []


def test_factors() -> None:
    assert [limits.reduction(size) for size in ((8000, 8000), (12000, 9000), (16320, 12240))] == [
        1,
        2,
        2,
    ]
    assert limits.reduction((65536, 3906)) == 2


def test_no_state_of_the_process_changes(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    for make in (
        pictures_png.make_heavy_text,
        pictures_tiff.make_wild_tags,
        pictures_other.make_turned_avif,
    ):
        make(tmp_path / "a")
        read_image(tmp_path / "a")
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_overlapping_threads_restore_the_filters_of_warnings() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Barrier(2), threading.Event()

    def stay() -> None:
        with quiet():
            inside.wait()
            leave.wait()

    thread = threading.Thread(target=stay)
    with quiet():
        thread.start()
        inside.wait()
    leave.set()
    thread.join()
    assert list(warnings.filters) == before
