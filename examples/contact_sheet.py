"""Arrange frames of videos in one image, one row per video, to inspect a result.

python examples/contact_sheet.py driving.mp4 result.mp4 -o sheet.png --first source.png
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from cpabmm_core.media import VideoReader, read_image, write_image
from cpabmm_core.visualize import Picture, side_by_side

app = typer.Typer(add_completion=False)


@app.command()
def main(
    videos: Annotated[list[Path], typer.Argument(help="Videos to show, one row each.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")],
    columns: Annotated[int, typer.Option(min=1, help="Number of frames per video.")] = 6,
    size: Annotated[
        int, typer.Option(min=16, help="Side of a frame in the sheet, in pixels.")
    ] = 128,
    first: Annotated[
        Path | None, typer.Option(help="Image to put before the last row, for example the source.")
    ] = None,
) -> None:
    """Write the sheet and print its path."""
    rows = []
    for number, path in enumerate(videos, start=1):
        with VideoReader(path) as video:
            frames = [frame.image for frame in video]
        chosen = np.linspace(0, len(frames) - 1, columns).round().astype(int)
        row = [_fit(frames[index], size) for index in chosen]
        if first is not None:
            blank = np.full_like(row[0], 255)
            row.insert(0, _fit(read_image(first), size) if number == len(videos) else blank)
        rows.append(side_by_side(row))
    write_image(output, np.concatenate(rows))
    typer.echo(output)


def _fit(frame: Picture, size: int) -> Picture:
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    app()
