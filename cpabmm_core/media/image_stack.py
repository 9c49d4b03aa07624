"""Images of several pages, read page by page."""

from pathlib import Path

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.media.pictures import open_picture, picture_format, to_frame


def count_pages(path: Path) -> int:
    """Return the number of pages of an image file; 1 for an ordinary image.

    Thumbnails and the smaller levels of a pyramid do not count.

    Raises:
        MediaError: the file is missing, unreadable or no image.
    """
    kind = picture_format(require_file(path, expected="an image"))
    if kind is None:
        raise MediaError(
            f"{path}: cannot be read as an image (unknown format); fetch or export it again"
        )
    if kind != "TIFF":
        return 1
    from cpabmm_core.media.pictures.tiff import page_numbers

    try:
        return len(page_numbers(path))
    except Exception as error:  # tifffile raises whatever its parsers raise
        raise MediaError(
            f"{path}: cannot be read as an image ({one_line(error)}); fetch or export it again"
        ) from None


def read_page(path: Path, index: int, *, alpha: bool = False) -> Frame:
    """Read a page of an image file as (H, W, 3) uint8 RGB, with the rules of `read_image`.

    Args:
        path: the file.
        index: number of the page, from 0.
        alpha: whether to keep the transparency of a page that has some, as (H, W, 4).

    Raises:
        MediaError: the file is missing, unreadable or no image, or has no such page.
    """
    return to_frame(open_picture(path, index), alpha=alpha)
