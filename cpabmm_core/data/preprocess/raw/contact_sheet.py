"""A contact sheet: small pictures of clips with their names, to see at a glance what was cut."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cpabmm_core.files.output import atomic_path
from cpabmm_core.media.image import read_image, write_image

PICTURE_SIDE = 128
_LINE, _LINES = 11, 3
_COLUMNS = 10
_MOST = 400
_LETTERS_IN_LINE = 24


def write_contact_sheet(
    path: Path,
    clips: Sequence[tuple[str, Path]],
) -> None:
    """Write a grid of pictures, row by row; of many clips only 400, evenly spread.

    Args:
        path: the image file to write; one that is there is replaced.
        clips: one or more names, each with the file of a square picture.

    Raises:
        MediaError: a picture cannot be read, or the sheet cannot be written.
        ResourceError: the disk is full.
    """
    if len(clips) > _MOST:
        clips = [clips[k] for k in np.linspace(0, len(clips) - 1, _MOST).astype(int)]
    columns = min(_COLUMNS, len(clips))
    rows = -(-len(clips) // columns)
    height = PICTURE_SIDE + _LINES * _LINE + 2
    sheet = Image.new("RGB", (columns * PICTURE_SIDE, rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_LINE - 2)
    for number, (name, picture) in enumerate(clips):
        x, y = number % columns * PICTURE_SIDE, number // columns * height
        tile = Image.fromarray(read_image(picture)).resize((PICTURE_SIDE, PICTURE_SIDE))
        sheet.paste(tile, (x, y))
        for line, text in enumerate(_lines(name)):
            draw.text((x + 1, y + PICTURE_SIDE + line * _LINE), text, "black", font)
    with atomic_path(path, force=True) as temporary:
        write_image(temporary, np.array(sheet))


def _lines(name: str) -> list[str]:
    """A name in as many lines as a picture has room for; its end, with the numbers, stays."""
    most = _LINES * _LETTERS_IN_LINE
    name = name if len(name) <= most else "..." + name[3 - most :]
    return [name[k : k + _LETTERS_IN_LINE] for k in range(0, len(name), _LETTERS_IN_LINE)]
