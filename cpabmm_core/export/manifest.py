"""The manifest of an exported model: how another program uses the graphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cpabmm_core.export.candidates import describe_candidates
from cpabmm_core.export.graphs import Graph, GraphTensor
from cpabmm_core.export.onnx_file import OPSET
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.models.animation_model import AnimationModel

FORMAT = "cpabmm-onnx"
VERSION = 1
"""Version of the manifest. Increase it when a program that reads one would have to change."""
_CONVENTIONS = {
    "numbers": "float32",
    "images": "(batch, RGB, height, width) in [0, 1]",
    "points": "(x, y), x to the right and y down",
    "keypoints": "-1 and 1 are the centres of the first and last pixel",
    "flows": "backward: the position in the source for each position in the driving frame; the "
    "positions of the rows and columns are spread evenly from -1 to 1",
}


@dataclass(frozen=True)
class WrittenGraph:
    """A graph in its file."""

    graph: Graph
    files: list[Path]
    """The .onnx file, and that of its weights if they are in another one."""
    difference: float
    """Largest difference from PyTorch that was found."""


def make_manifest(
    model: AnimationModel, written: Sequence[WrittenGraph], origin: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the manifest as plain JSON values.

    Args:
        model: the exported model.
        written: its graphs.
        origin: what is known of the checkpoint.
    """
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "cpabmm": version("cpabmm"),
        "opset": OPSET,
        **origin,
        "frame_size": model.frame_size,
        "conventions": _CONVENTIONS,
        "align_corners": model.dense_motion.align_corners,
        "relative_hull_scaling": model.relative_hull_scaling,
        "candidates": describe_candidates(model),
        "graphs": {each.graph.name: _describe_graph(each) for each in written},
    }


def _describe_graph(written: WrittenGraph) -> dict[str, Any]:
    graph = written.graph
    return {
        "purpose": graph.purpose,
        "files": [_describe_file(path) for path in written.files],
        "inputs": [_describe_tensor(tensor) for tensor in graph.inputs],
        "outputs": [_describe_tensor(tensor) for tensor in graph.outputs],
        "largest_difference": written.difference,
    }


def _describe_tensor(tensor: GraphTensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": [tensor.axis, *tensor.shape],
        "meaning": tensor.meaning,
    }


def _describe_file(path: Path) -> dict[str, Any]:
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
