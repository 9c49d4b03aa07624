"""Align one picture with another by gradient descent on theta, from coarse to fine.

python examples/register_images.py fixed.png moving.png -o registration.png --theta theta.json
cpabmm fit-cpab --apply theta.json --image moving.png -o aligned.png

Without pictures it aligns source.png with a copy warped by a known random transformation and
prints the error of the motion.
"""

import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from cpabmm_core.cpab import (
    Tessellation,
    VelocitySpace,
    sample,
    smoothness_precision,
    transform,
    warp_batch,
)
from cpabmm_core.geometry import identity_grid, to_unit_square
from cpabmm_core.media import read_image, write_image
from cpabmm_core.pointsets import Transformation, Transformations
from cpabmm_core.visualize import Picture, side_by_side

app = typer.Typer(add_completion=False)

_EXAMPLE = Path(__file__).with_name("source.png")
_COARSEST = 24  # pixels of the shorter side in the first round
_TRUE_SPACE = VelocitySpace(Tessellation(7, 7), "zero")  # differs from the space of the search


@app.command()
def main(
    fixed: Annotated[Path | None, typer.Argument(help="Picture to align with.")] = None,
    moving: Annotated[Path | None, typer.Argument(help="Picture to warp.")] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="PNG to write: fixed, moving, aligned, differences."),
    ] = Path("registration.png"),
    theta_file: Annotated[
        Path | None, typer.Option("--theta", help="JSON file to write, with the transformation.")
    ] = None,
    cells: Annotated[int, typer.Option(min=1, max=16, help="Number of squares per side.")] = 8,
    boundary: Annotated[
        Literal["free", "zero"],
        typer.Option(help="free: allow motion across the border. zero: forbid it."),
    ] = "zero",
    smoothness: Annotated[
        float, typer.Option(min=0, help="Weight of the smoothness prior.")
    ] = 1e-3,
    iterations: Annotated[int, typer.Option(min=1, help="L-BFGS steps per round.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the random motion without pictures.")] = 0,
) -> None:
    """Align the pictures, print the errors and write the result."""
    if (fixed is None) != (moving is None):
        raise typer.BadParameter("give both pictures or none")
    target = _to_tensor(read_image(fixed or _EXAMPLE))
    truth = sample(_TRUE_SPACE, generator=torch.Generator().manual_seed(seed))
    other = _to_tensor(read_image(moving)) if moving else warp_batch(_TRUE_SPACE, truth, target)
    if other.shape != target.shape:
        raise typer.BadParameter(f"{moving}: expected the size of {fixed}")

    space = VelocitySpace(Tessellation(cells, cells), boundary)
    began = time.perf_counter()
    theta = register(space, other, target, smoothness=smoothness, iterations=iterations)
    took = time.perf_counter() - began
    aligned = warp_batch(space, theta, other, padding="border")

    typer.echo(
        f"r.m.s. difference (of 255): {_rms(other, target):.1f} before, "
        f"{_rms(aligned, target):.1f} after"
    )
    if not moving:
        identity = torch.zeros_like(theta)
        before, after = (_motion_error(space, t, truth, target) for t in (identity, theta))
        typer.echo(f"error of the motion: {before:.2f} pixels before, {after:.2f} after")
    typer.echo(f"{took:.1f} s")
    pictures = [target, other, aligned, (other - target).abs(), (aligned - target).abs()]
    write_image(output, side_by_side([_to_picture(image) for image in pictures]))
    typer.echo(output)
    if theta_file:
        theta_file.write_text(_document(space, theta))
        typer.echo(theta_file)


def register(
    space: VelocitySpace,
    moving: Tensor,  # (1, C, H, W) in [0, 1]
    fixed: Tensor,  # (1, C, H, W)
    *,
    smoothness: float,
    iterations: int,
) -> Tensor:  # (1, dim)
    """Find theta that warps `moving` onto `fixed`."""
    theta = fixed.new_zeros(1, space.dim).requires_grad_()
    prior = smoothness * smoothness_precision(space).to(fixed.dtype)
    rounds = max(1, round(np.log2(min(fixed.shape[2:]) / _COARSEST)) + 1)
    for factor in 2.0 ** np.arange(rounds)[::-1]:
        descend(space, theta, _shrink(moving, factor), _shrink(fixed, factor), prior, iterations)
    return theta.detach()


def descend(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim), changed in place
    moving: Tensor,  # (1, C, h, w)
    fixed: Tensor,  # (1, C, h, w)
    prior: Tensor,  # (dim, dim)
    iterations: int,
) -> None:
    """Minimise the mean square difference plus theta^T prior theta."""
    optimizer = torch.optim.LBFGS([theta], max_iter=iterations, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        warped = warp_batch(space, theta, moving, padding="border")
        value = (warped - fixed).square().mean() + (theta @ prior @ theta.T).squeeze()
        value.backward()
        return value

    optimizer.step(loss)


def _shrink(image: Tensor, factor: float) -> Tensor:
    """Shrink an image; the centres of its border pixels stay in place."""
    if factor == 1:
        return image
    reach = 2 * round(factor) + 1
    blurred = gaussian_blur(image, [reach, reach], [factor / 2, factor / 2])
    size = [round(side / factor) for side in image.shape[2:]]
    return F.interpolate(blurred, size=size, mode="bilinear", align_corners=True)


def _rms(image: Tensor, other: Tensor) -> float:
    """Return the root mean square difference in steps of 1 / 255."""
    return 255 * (image - other).square().mean().sqrt().item()


def _motion_error(space: VelocitySpace, theta: Tensor, truth: Tensor, image: Tensor) -> float:
    """Return the mean distance in pixels between moved pixels and their true positions."""
    height, width = image.shape[2:]
    points = to_unit_square(identity_grid(height, width)).view(1, -1, 2)
    goal = transform(_TRUE_SPACE, truth, points, inverse=True)
    error = (transform(space, theta, points) - goal) * torch.tensor([width - 1, height - 1])
    return float(error.norm(dim=2).mean())


def _document(space: VelocitySpace, theta: Tensor) -> str:
    document = Transformations(
        cells=(space.tessellation.nx, space.tessellation.ny),
        boundary=space.boundary,
        volume_preserving=space.volume_preserving,
        transformations=[Transformation(name="registration", theta=theta[0].tolist())],
    )
    return document.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"


def _to_tensor(picture: Picture) -> Tensor:  # (1, 3, H, W) in [0, 1]
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 255


def _to_picture(image: Tensor) -> Picture:
    return (image[0].permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()


if __name__ == "__main__":
    app()
