"""Decoding of TIFF files of any sample type.

tifffile reads the structure, libtiff in Pillow undoes the compression, and NumPy interprets the
samples. Pictures are decoded in bands of rows, so large ones need little memory.
"""

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import tifffile
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.pictures.limits import check_size, reduction
from cpabmm_core.media.pictures.picture import Picture
from cpabmm_core.media.pictures.samples import has_measured_range, measure_white
from cpabmm_core.media.pictures.tiff_bands import decoded_bands, sample_bands
from cpabmm_core.media.pictures.tiff_layout import (
    Layout,
    UnreadLayoutError,
    in_short_strips,
    layout_of,
)
from cpabmm_core.media.pictures.tiff_paint import paint

_REDUCED = 1
_DNG_VERSION, _SUB_IFDS = 50706, 330
_CFA, _LINEAR_RAW = 32803, 34892
for _name in ("tifffile", "PIL"):  # without a handler, their messages go to stderr
    logging.getLogger(_name).addHandler(logging.NullHandler())


def read_tiff(path: Path, page: int = 0) -> Picture:
    """Decode a page of a TIFF file, reduced if it is very large.

    Thumbnails and the smaller levels of a pyramid do not count as pages.

    Raises:
        MediaError: the page is too large or missing, or stores its pixels in a way that is not
            read.
        Exception: whatever the libraries raise for a damaged file.
    """
    with path.open("rb") as file, tifffile.TiffFile(file) as tiff:
        found = _page(path, tiff, page)
        if _is_camera_raw(found):
            raise MediaError(f"{path}: is a camera raw file; develop it to JPEG or TIFF first")
        size = found.imagewidth, found.imagelength
        check_size(path, size, "TIFF")
        try:
            layout = in_short_strips(layout_of(found))
            image = _decode(file, layout, reduction(size))
        except UnreadLayoutError as error:
            raise MediaError(
                f"{path}: is a TIFF {error}; save it again as RGB of 8 or 16 bits"
            ) from None
        return Picture(image, layout.profile, layout.orientation, size)


def _page(path: Path, tiff: tifffile.TiffFile, page: int) -> tifffile.TiffPage:
    first = next(iter(tiff.pages), None)
    if not isinstance(first, tifffile.TiffPage):
        raise OSError("no page found")
    if page == 0 and not first.subfiletype & _REDUCED:
        return first
    numbers = page_numbers(path)
    if not 0 <= page < len(numbers):
        raise MediaError(f"{path}: has pages 0 to {len(numbers) - 1}, not {page}")
    found = tiff.pages[numbers[page]]
    assert isinstance(found, tifffile.TiffPage)
    return found


def page_numbers(path: Path) -> tuple[int, ...]:
    """Return the numbers of the pages of a TIFF file that are pictures of full size."""
    state = path.stat()
    return _page_numbers(path, state.st_mtime_ns, state.st_size)


def _pages(tiff: tifffile.TiffFile) -> Iterator[object]:
    """Yield the pages up to one that names an earlier page as the next one."""
    seen: set[int] = set()
    for page in tiff.pages:
        if page.offset in seen:
            return
        seen.add(page.offset)
        yield page


@lru_cache(maxsize=16)
def _page_numbers(path: Path, _modified: int, _size: int) -> tuple[int, ...]:
    with path.open("rb") as file, tifffile.TiffFile(file) as tiff:
        full = [
            number
            for number, page in enumerate(_pages(tiff))
            if isinstance(page, tifffile.TiffPage) and not page.subfiletype & _REDUCED
        ]
        return tuple(full or range(min(1, len(tiff.pages))))


def _is_camera_raw(page: tifffile.TiffPage) -> bool:
    """Return whether a page is, or stands in for, the data of a camera's sensor."""
    if page.photometric in (_CFA, _LINEAR_RAW) or _DNG_VERSION in page.tags:
        return True
    return bool(page.subfiletype & _REDUCED) and _SUB_IFDS in page.tags


def _decode(file: BinaryIO, layout: Layout, factor: int) -> Image.Image:
    if layout.is_decoded_by_pillow:
        bands = list(decoded_bands(file, layout, factor))
    else:
        white = layout.white
        if has_measured_range(layout.dtype):
            white = measure_white(sample_bands(file, layout, factor))
        bands = []
        for samples in sample_bands(file, layout, factor):
            band = paint(samples, layout, white)
            bands.append(band if factor == 1 else band.reduce(factor))
    if len(bands) == 1:
        return bands[0]
    whole = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    top = 0
    for band in bands:
        whole.paste(band, (0, top))
        top += band.height
    return whole
