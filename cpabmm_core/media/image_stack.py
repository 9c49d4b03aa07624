"""Images of several pages, read page by page with imageio."""

import warnings
from pathlib import Path
from typing import Any

import imageio.v3 as iio

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.media.image import to_rgb

_ALL_PAGES: Any = ...  # imageio documents this value, but its types lack it


def count_pages(path: Path) -> int:
    """Return the number of pages of an image file; 1 for an ordinary image.

    Raises:
        MediaError: the file is missing, unreadable or no image.
    """
    require_file(path, expected="an image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int(iio.improps(path, index=_ALL_PAGES, plugin="pillow").n_images or 1)
    except Exception as error:  # imageio and Pillow raise whatever their parsers raise
        raise _unreadable(path, error) from None


def read_page(path: Path, index: int) -> Frame:
    """Read a page of an image file as (H, W, 3) uint8 RGB, with the rules of `read_image`.

    Args:
        path: the file.
        index: number of the page, from 0.

    Raises:
        MediaError: the file is missing, unreadable or no image, or has no such page.
    """
    require_file(path, expected="an image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return to_rgb(iio.imread(path, index=index, plugin="pillow", rotate=True))
    except MemoryError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> MediaError:
    return MediaError(
        f"{path}: cannot be read as an image ({one_line(error)}); fetch or export it again"
    )
