"""Augment a picture and its mask with the same smooth random warps.

python examples/augment_images.py photo.png --mask mask.png -o augmented.png

The first column of the sheet is the picture itself. Without a mask the second row is a grid that
shows the motion. The default picture is source.png.
"""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, sample, warp_batch
from cpabmm_core.geometry import identity_grid
from cpabmm_core.media import read_image, write_image
from cpabmm_core.visualize import Picture, overlay_grid, side_by_side

app = typer.Typer(add_completion=False)

_EXAMPLE = Path(__file__).with_name("source.png")
_LINES = 13


@app.command()
def main(
    picture: Annotated[Path, typer.Argument(help="Picture to warp.")] = _EXAMPLE,
    mask: Annotated[Path | None, typer.Option(help="Mask of the same size.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")] = Path(
        "augmented.png"
    ),
    count: Annotated[int, typer.Option(min=1, help="Number of warps.")] = 6,
    cells: Annotated[int, typer.Option(min=1, max=16, help="Number of squares per side.")] = 6,
    magnitude: Annotated[
        float, typer.Option(help="Root mean square motion, in sides of the square.")
    ] = 0.05,
    length_scale: Annotated[
        float, typer.Option(help="Length scale of the motion, in sides of the square.")
    ] = 0.25,
    seed: Annotated[int, typer.Option(help="Seed of the random warps.")] = 0,
) -> None:
    """Write the sheet and print the time per picture."""
    image = _to_tensor(read_image(picture))
    label = _to_tensor(read_image(mask) if mask else _grid(*image.shape[2:]))
    if label.shape != image.shape:
        raise typer.BadParameter(f"{mask}: expected the size of {picture}")
    space = VelocitySpace(Tessellation(cells, cells), "zero")

    for _ in range(2):  # the first round compiles the engine
        began = time.perf_counter()
        theta = sample(
            space,
            count,
            magnitude=magnitude,
            length_scale=length_scale,
            generator=torch.Generator().manual_seed(seed),
        )
        warped = warp_batch(space, theta, torch.cat([image, label], dim=1))  # one flow for both
        took = (time.perf_counter() - began) / count

    images, labels = warped.split(image.shape[1], dim=1)
    if mask:
        labels = (labels > 0.5).to(labels)  # interpolation must not create new labels
    rows = (torch.cat([image, images]), torch.cat([label, labels]))
    sheet = [side_by_side([_to_picture(one) for one in row]) for row in rows]
    write_image(output, np.concatenate(sheet))
    typer.echo(f"{took:.3f} s per picture of {image.shape[3]} x {image.shape[2]}")
    typer.echo(output)


def _grid(height: int, width: int) -> Picture:
    blank = np.full((height, width, 3), 255, dtype=np.uint8)
    return overlay_grid(blank, identity_grid(_LINES, _LINES).numpy(), colour=(46, 64, 92))


def _to_tensor(picture: Picture) -> Tensor:  # (1, 3, H, W) in [0, 1]
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 255


def _to_picture(image: Tensor) -> Picture:  # from (3, H, W)
    return (image.permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()


if __name__ == "__main__":
    app()
