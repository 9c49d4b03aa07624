"""A contact sheet: thumbnails of clips with their names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cpabmm_core.files.output import atomic_path
from cpabmm_core.media.image import read_image, write_image

THUMBNAIL_SIZE = 128
_LINE_HEIGHT, _LINES = 11, 3
_COLUMNS = 10
_MAX_CLIPS = 400
_LETTERS_PER_LINE = 24


def write_contact_sheet(
    path: Path,
    clips: Sequence[tuple[str, Path]],
) -> None:
    """Write a grid of thumbnails, row by row; of more than 400 clips, 400 evenly spaced ones.

    Args:
        path: image file to write; an existing one is replaced.
        clips: one or more clip names, each with the file of a square thumbnail.

    Raises:
        MediaError: a thumbnail cannot be read, or the sheet cannot be written.
        ResourceError: the disk is full.
    """
    if len(clips) > _MAX_CLIPS:
        clips = [clips[k] for k in np.linspace(0, len(clips) - 1, _MAX_CLIPS).astype(int)]
    columns = min(_COLUMNS, len(clips))
    rows = -(-len(clips) // columns)
    height = THUMBNAIL_SIZE + _LINES * _LINE_HEIGHT + 2
    sheet = Image.new("RGB", (columns * THUMBNAIL_SIZE, rows * height), "white")
    canvas, font = ImageDraw.Draw(sheet), ImageFont.load_default(_LINE_HEIGHT - 2)
    for number, (name, thumbnail) in enumerate(clips):
        x, y = number % columns * THUMBNAIL_SIZE, number // columns * height
        tile = Image.fromarray(read_image(thumbnail)).resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
        sheet.paste(tile, (x, y))
        for line, text in enumerate(_break_name(name)):
            canvas.text((x + 1, y + THUMBNAIL_SIZE + line * _LINE_HEIGHT), text, "black", font)
    with atomic_path(path, force=True) as temporary:
        write_image(temporary, np.array(sheet))


def _break_name(name: str) -> list[str]:
    """Break a name into lines; shorten it at the start, because its end has the frame numbers."""
    limit = _LINES * _LETTERS_PER_LINE
    name = name if len(name) <= limit else "..." + name[3 - limit :]
    return [name[k : k + _LETTERS_PER_LINE] for k in range(0, len(name), _LETTERS_PER_LINE)]
