"""The comparison of a graph in ONNX Runtime with its network in PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.exported import needs_exporter, small_graph
from torch import nn

from cpabmm_core.errors import CheckpointError
from cpabmm_core.export.graphs import Graph
from cpabmm_core.export.onnx_file import write_graph
from cpabmm_core.export.parity import largest_difference

needs_exporter()
EXAMPLES = [{"x": torch.linspace(-1, 1, 8).view(2, 4)}, {"x": torch.ones(1, 4)}]


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Linear]:
    module = nn.Linear(4, 2)
    path = tmp_path_factory.mktemp("linear") / "small.onnx"
    write_graph(small_graph(module), path)
    return path, module


def changed(module: nn.Linear, value: float) -> Graph:
    """Return a graph whose network adds a number to the first output of another one."""
    other = nn.Linear(4, 2)
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        other.bias[0] += value
    return small_graph(other)


def test_equal_networks_agree(linear: tuple[Path, nn.Linear]) -> None:
    path, module = linear
    assert largest_difference(small_graph(module), path, EXAMPLES) < 1e-6


def test_the_difference_is_that_of_the_outputs(linear: tuple[Path, nn.Linear]) -> None:
    path, module = linear
    found = largest_difference(changed(module, 5e-4), path, EXAMPLES)
    largest = max(1.0, *(module(each["x"]).abs().max().item() for each in EXAMPLES))
    assert 5e-4 / largest * 0.9 < found < 5.1e-4


@pytest.mark.parametrize(("value", "words"), [(0.01, "differs by 0.0"), (np.nan, "NaN")])
def test_other_values_are_refused(linear: tuple[Path, nn.Linear], value: float, words: str) -> None:
    path, module = linear
    with pytest.raises(CheckpointError, match=f"small: .*{words}"):
        largest_difference(changed(module, value), path, EXAMPLES)


def test_a_file_that_does_not_run_is_refused(
    tmp_path: Path, linear: tuple[Path, nn.Linear]
) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(linear[0].read_bytes()[:60])
    with pytest.raises(CheckpointError, match=r"damaged\.onnx: onnxruntime .* cannot run it"):
        largest_difference(small_graph(linear[1]), damaged, EXAMPLES)
