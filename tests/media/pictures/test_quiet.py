"""Reading a picture prints nothing, and leaves libtiff as it was."""

import sys
from pathlib import Path

import numpy as np
import pytest
from _helpers.bounded_reading import BoundedReading
from PIL import Image

from cpabmm_core.media.pictures.quiet import _libtiff, quiet


@pytest.mark.skipif(sys.platform != "linux", reason="the child needs Linux")
@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw"])
def test_damaged_compressed_tiff_prints_nothing(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "damaged.tif"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path, compression=compression)
    data = bytearray(path.read_bytes())
    data[1000:1100] = b"\xff" * 100
    path.write_bytes(data)
    with BoundedReading() as bounded:
        bounded.check("cpabmm_core.media.image:read_image", path, exit_code=3)


def test_messages_of_libtiff_return_with_the_last_context() -> None:
    library = _libtiff()
    if library is None:
        pytest.skip("this Pillow hides its libtiff")
    before = library.TIFFSetErrorHandler(None)
    library.TIFFSetErrorHandler(before)
    with quiet():
        with quiet():
            assert library.TIFFSetErrorHandler(None) is None
        assert library.TIFFSetErrorHandler(None) is None
    assert library.TIFFSetErrorHandler(before) == before
