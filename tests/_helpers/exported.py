"""Models exported to ONNX, and their graphs in ONNX Runtime."""

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cpabmm_core.export.graphs import Graph, GraphTensor

EXAMPLE = Path(__file__).parents[2] / "examples" / "run_onnx.py"


def needs_exporter() -> None:
    """Skip the tests of a module without the packages of the extra ``onnx``."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)


def example_program() -> dict[str, Any]:
    """Return the names of the example that runs an exported model."""
    return runpy.run_path(str(EXAMPLE))


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def run_file(path: Path, feed: Mapping[str, Tensor]) -> list[Tensor]:
    """Run an .onnx file in ONNX Runtime and return all its outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {name: tensor.numpy() for name, tensor in feed.items()})
    return [torch.from_numpy(np.asarray(array)) for array in found]


def small_graph(module: nn.Module, *, inputs: int = 4, outputs: int = 2) -> Graph:
    """Return a graph of one module from (images, inputs) to (images, outputs)."""
    return Graph(
        "small",
        "a test",
        module.eval(),
        (GraphTensor("x", "images", (inputs,), "numbers"),),
        (GraphTensor("y", "images", (outputs,), "numbers"),),
    )
