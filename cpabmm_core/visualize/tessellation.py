"""The triangles of a tessellation."""

from cpabmm_core.cpab.tessellation import Tessellation
from cpabmm_core.visualize.canvas import Canvas, Colour, Picture, overlay
from cpabmm_core.visualize.square import SquareView, view_square

_DARK: Colour = (46, 64, 92)
_PALE: Colour = (190, 199, 214)


def plot_tessellation(
    tessellation: Tessellation,
    size: int = 512,
    image: Picture | None = None,  # (H, W, 3)
) -> Picture:  # (h, w, 3), a little larger than `size`
    """Plot the triangles of a tessellation, on white or on an image.

    Convention:
        x to the right, y downwards; 0 and 1 of the unit square are the centres of the first and
        last pixel of the image.

    Args:
        tessellation: the triangles.
        size: longer side of the unit square in pixels, without the margin.
        image: a picture of the unit square; its proportions are kept. None leaves the background
            white.

    Returns:
        The plot.

    Example:
        >>> from cpabmm_core.cpab import Tessellation
        >>> plot_tessellation(Tessellation(2, 2), size=100).shape
        (106, 106, 3)
    """
    view = view_square(size, image)
    background = view.blank() if image is None else view.show(image)
    return overlay(
        background, lambda canvas: add_triangles(canvas, view, tessellation, _DARK, 1.4 * view.line)
    )


def add_triangles(
    canvas: Canvas,
    view: SquareView,
    tessellation: Tessellation,
    colour: Colour = _PALE,
    width: float | None = None,
) -> None:
    """Add the edges of the triangles to a canvas, by default thin and pale."""
    for edge in tessellation.vertices[tessellation.edges]:
        canvas.line(view.pixels(edge), colour, 0.8 * view.line if width is None else width)
