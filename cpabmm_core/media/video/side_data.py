"""Additional data of decoded frames."""

from fractions import Fraction
from typing import Any

from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame as AvFrame

_LARGEST_TYPE = 63
"""Above all types of side data of all versions of FFmpeg."""


def read_side_data(frame: AvFrame, kind: str) -> bytes | None:
    """Return the additional data of one kind of a frame, or None if it has none.

    Args:
        frame: the frame.
        kind: name of the kind in PyAV, such as ``DISPLAYMATRIX``.
    """
    found: Any  # a buffer, which the types of PyAV do not say
    try:
        found = frame.side_data.get(kind)
    except ValueError:  # PyAV before version 19 fails if it has no name for one of the kinds
        found = _without_unnamed(frame).side_data.get(kind)
    return None if found is None else bytes(found)


def _without_unnamed(frame: AvFrame) -> AvFrame:
    """Return the frame without the side data for which PyAV has no name."""
    graph = Graph()
    node = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 25),
    )
    named = {each.value for each in Type}
    for kind in sorted({*range(_LARGEST_TYPE + 1)} - named):
        eraser = graph.add("sidedata", f"mode=delete:type={kind}")
        node.link_to(eraser)
        node = eraser
    node.link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    cleaned = graph.pull()
    assert isinstance(cleaned, AvFrame)
    return cleaned
