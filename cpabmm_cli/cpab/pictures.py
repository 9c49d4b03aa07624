"""The images of `fit-cpab`: warped images and plots."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cpabmm_cli.cpab.files import Outputs, Request, Write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from cpabmm_core.arrays import Array
    from cpabmm_core.cpab import VelocitySpace


class Pictures(NamedTuple):
    """The image of a request, in the forms that its outputs need."""

    warped: "NDArray[np.uint8] | None"
    """The image to warp, with its alpha channel if it has one."""
    plotted: "NDArray[np.uint8] | None"
    """The image to plot on, opaque."""


def read_pictures(request: Request, files: Outputs) -> Pictures:
    """Read the image of a request, and check that the output formats can hold the results."""
    from cpabmm_core.media.image import check_image_suffix, read_image

    image = read_image(request.image, alpha=True) if request.image else None
    plotted = read_image(request.image) if request.image and files.plots else None
    if image is not None:
        for path in files.outputs:
            check_image_suffix(path, alpha=image.shape[2] == 4)
    for path in files.plots:
        check_image_suffix(path)
    return Pictures(image, plotted)


def plan_pictures(
    pictures: Pictures,
    files: Outputs,
    space: "VelocitySpace",
    thetas: "Tensor",  # (N, dim)
    sources: "Sequence[Array]",  # N of (P, 2)
    targets: "Sequence[Array]",  # N of (P, 2)
) -> list[tuple[Path, Write]]:
    """Return the functions that write the warped images and the plots.

    Args:
        pictures: the image of the request.
        files: the files to write.
        space: space of the velocity fields.
        thetas: theta of each set.
        sources: source points of each plot.
        targets: target points of each plot.
    """
    each = thetas.split(1)
    writes: list[tuple[Path, Write]] = []
    if pictures.warped is not None and files.outputs:
        for path, theta in zip(files.outputs, each, strict=True):
            writes.append((path, partial(_warp, space, theta, pictures.warped)))
    if files.plots:
        for path, theta, source, target in zip(files.plots, each, sources, targets, strict=True):
            writes.append((path, partial(_plot, space, theta, source, target, pictures.plotted)))
    return writes


def _warp(space: "VelocitySpace", theta: "Tensor", image: "NDArray[np.uint8]", path: Path) -> None:
    from cpabmm_core.cpab import warp_image
    from cpabmm_core.media.image import write_image

    write_image(path, warp_image(space, theta, image))


def _plot(
    space: "VelocitySpace",
    theta: "Tensor",
    source: "Array",
    target: "Array",
    image: "NDArray[np.uint8] | None",
    path: Path,
) -> None:
    from cpabmm_core.media.image import write_image
    from cpabmm_core.visualize import plot_transformation

    write_image(path, plot_transformation(space, theta, source, target, image))
