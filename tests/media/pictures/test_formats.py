from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files.pictures_other import UNREAD
from PIL import Image, features

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import is_image, read_image
from cpabmm_core.media.pictures import is_picture, picture_format
from cpabmm_core.media.video import read_source

OPTIONS = {"tga": {"compression": "tga_rle"}}
FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "webp": "WEBP",
    "bmp": "BMP",
    "tif": "TIFF",
    "gif": "GIF",
    "avif": "AVIF",
    "jp2": "JPEG2000",
    "j2k": "JPEG2000",
    "ppm": "PPM",
    "pgm": "PPM",
    "pbm": "PPM",
    "tga": "TGA",
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_every_format_is_recognised_and_read(tmp_path: Path, suffix: str, mode: str) -> None:
    image = Image.new("RGB", (40, 30), (200, 40, 90)).convert(mode)
    path = tmp_path / f"a.{suffix}"
    try:
        image.save(path, **OPTIONS.get(suffix, {}))
    except OSError:
        pytest.skip("Pillow does not write this")
    path.rename(tmp_path / "a.xyz")
    assert picture_format((tmp_path / "a.xyz").read_bytes()[:512]) == FORMATS[suffix]
    shown = read_image(tmp_path / "a.xyz")
    truth = np.asarray(image.convert("RGB")).astype(int)
    assert shown.shape == (30, 40, 3)
    assert np.abs(shown[15, 20] - truth[15, 20]).max() <= 6


@pytest.mark.parametrize("suffix", ["avif", "webp", "jp2"])
def test_pillow_without_a_format_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(MediaError, match="Pillow does not decode; update Pillow"):
        read_image(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("suffix", UNREAD)
@pytest.mark.parametrize("read", [read_image, read_source])
def test_formats_that_are_not_read_are_named(tmp_path: Path, suffix: str, read: type) -> None:
    content, name = UNREAD[suffix]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert is_image(path)
    with pytest.raises(MediaError, match=f"the format {name}, which is not read; ") as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"P5 2024 notes about the family\n",
        b"BM is the abbreviation of bitmap, a note",
        b"#EXTM3U\nhttp://example.invalid/a.ts\n",
        b"\0\0\1\xba" + bytes(range(1, 60)),
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        b"\x1a\x45\xdf\xa3" + b"\0" * 40,
        b"RIFF\0\0\0\0AVI LIST",
        b"some text\n" * 20,
        b"ID3\4\0\0\0\0\0\0 \xff\xd8\xff a cover",
    ],
)
def test_other_files_are_no_pictures(content: bytes) -> None:
    assert not is_picture(content)
