"""Elements of plots as SVG, in colours that are readable on light and dark pages."""

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

ORANGE, BLUE, GREEN, GREY, FAINT = "#d9603b", "#3f8fc4", "#4a9d5b", "#8a8a8a", "#8a8a8a55"
"""Colours with enough contrast on white and on black."""

Place = Callable[[float], float]
"""A scale: the position of a value in the picture."""


def document(width: int, height: int, parts: Sequence[str]) -> str:
    """Return a picture of some elements."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11" fill="{GREY}">'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def line(
    points: Sequence[tuple[float, float]], x: Place, y: Place, colour: str, dashes: str = ""
) -> str:
    """Return a line through points."""
    steps = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{steps}" fill="none" stroke="{colour}" stroke-width="2"{style}/>'


def text(x: float, y: float, words: str, anchor: str, colour: str = "", size: int = 0) -> str:
    """Return words at a position."""
    style = (f' fill="{colour}"' if colour else "") + (f' font-size="{size}"' if size else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(words)}</text>'
