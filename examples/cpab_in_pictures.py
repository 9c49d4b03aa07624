"""Render the pictures of docs/concepts/cpab.md.

python examples/cpab_in_pictures.py -o docs/images
"""

from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image

from cpabmm_core.cpab import Tessellation, VelocitySpace, sample, warp_image
from cpabmm_core.media import read_image
from cpabmm_core.pointsets import fit_pairs, read_point_pairs
from cpabmm_core.visualize import (
    Picture,
    plot_deformation_grid,
    plot_tessellation,
    plot_transformation,
    plot_velocity_field,
    side_by_side,
)

app = typer.Typer(add_completion=False)

_EXAMPLES = Path(__file__).parent
_SIZE = 240
_GAP = 12
_COLOURS = 128  # keeps each file below 100 KB


@app.command()
def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(),
) -> None:
    """Write one PNG per section and print the paths."""
    image = read_image(_EXAMPLES / "source.png")
    pictures = {
        "cpab-tessellation": tessellations(image),
        "cpab-velocity": velocity_fields(),
        "cpab-flow": flow(image),
        "cpab-inverse": inverse(image),
        "cpab-fit": fitted(image),
    }
    for name, picture in pictures.items():
        path = output / f"{name}.png"
        Image.fromarray(picture).quantize(_COLOURS).save(path, optimize=True)
        typer.echo(path)


def tessellations(image: Picture) -> Picture:
    """Plot tessellations of 1 x 1, 4 x 4 and 6 x 6 squares."""
    return _row(
        plot_tessellation(Tessellation(1, 1), _SIZE),
        plot_tessellation(Tessellation(4, 4), _SIZE, image),
        plot_tessellation(Tessellation(6, 6), _SIZE, image),
    )


def velocity_fields() -> Picture:
    """Plot a random field of three spaces: free, zero boundary, zero and volume-preserving."""
    spaces = (
        VelocitySpace(Tessellation(4, 4), "free"),
        VelocitySpace(Tessellation(4, 4), "zero"),
        VelocitySpace(Tessellation(4, 4), "zero", volume_preserving=True),
    )
    return _row(*(plot_velocity_field(space, _random(space, 7), _SIZE) for space in spaces))


def flow(image: Picture) -> Picture:
    """Plot the deformed grid at the times 0, 1/3, 2/3 and 1."""
    space = VelocitySpace(Tessellation(4, 4), "zero")
    theta = _random(space, 3, magnitude=0.09)
    times = (0.0, 1 / 3, 2 / 3, 1.0)
    return _row(*(plot_deformation_grid(space, time * theta, _SIZE, image) for time in times))


def inverse(image: Picture) -> Picture:
    """Show the image, the image under T, under the inverse of T, and under T and its inverse."""
    space = VelocitySpace(Tessellation(4, 4), "zero")
    theta = _random(space, 3, magnitude=0.09)
    forth = warp_image(space, theta, image)
    back = warp_image(space, -theta, forth)
    return _row(image, forth, warp_image(space, -theta, image), back)


def fitted(image: Picture) -> Picture:
    """Fit a transformation to the example's point pairs and plot it."""
    space = VelocitySpace(Tessellation(4, 4))
    [pairs] = read_point_pairs(_EXAMPLES / "fit_pairs.json")
    theta = fit_pairs(space, [pairs]).thetas()
    return plot_transformation(space, theta, pairs.source, pairs.target, image, _SIZE)


def _random(space: VelocitySpace, seed: int, magnitude: float = 0.06) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sample(space, magnitude=magnitude, generator=generator)


def _row(*pictures: Picture) -> Picture:
    return side_by_side(pictures, gap=_GAP)


if __name__ == "__main__":
    app()
