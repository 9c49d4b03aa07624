"""The pictures of `fit-cpab`: warped ones and plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cpabmm_cli.cpab.files import Outputs, Request, Write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from cpabmm_core.cpab import VelocitySpace

    Array = NDArray[np.float64]


class Pictures:
    """The picture to warp and to draw on, read and found fit for its outputs before any work."""

    def __init__(self, request: Request, files: Outputs) -> None:
        from cpabmm_core.media.image import check_image_suffix, read_image

        self._image = read_image(request.image, alpha=True) if request.image else None
        self._shown = read_image(request.image) if request.image and files.plots else None
        self._warped = files.outputs if request.image else []
        self._plots = files.plots
        alpha = self._image is not None and self._image.shape[2] == 4
        for path in self._warped:
            check_image_suffix(path, alpha=alpha)
        for path in self._plots:
            check_image_suffix(path)

    def writes(
        self,
        space: "VelocitySpace",
        thetas: "Tensor",  # (N, dim)
        source: "Sequence[Array]",  # N of (P, 2)
        target: "Sequence[Array]",  # N of (P, 2)
    ) -> list[tuple[Path, Write]]:
        """What draws each file: the warped pictures and the plots of N transformations.

        Args:
            space: admissible fields.
            thetas: coordinates of each field.
            source: the points to show in each plot.
            target: where they were to go.
        """
        each = thetas.split(1)
        warped = [self._warp(space, theta) for theta in each]
        plots = [self._plot(space, *shown) for shown in zip(each, source, target, strict=True)]
        return [*zip(self._warped, warped, strict=False), *zip(self._plots, plots, strict=False)]

    def _warp(self, space: "VelocitySpace", theta: "Tensor") -> Write:
        def write(path: Path) -> None:
            from cpabmm_core.cpab.image import warp_image
            from cpabmm_core.media.image import write_image

            assert self._image is not None  # else there is no path
            write_image(path, warp_image(space, theta, self._image))

        return write

    def _plot(
        self, space: "VelocitySpace", theta: "Tensor", source: "Array", target: "Array"
    ) -> Write:
        def write(path: Path) -> None:
            from cpabmm_core.media.image import write_image
            from cpabmm_core.visualize import plot_transformation

            write_image(path, plot_transformation(space, theta, source, target, self._shown))

        return write
