"""Tracing of a module to an ONNX file."""

from pathlib import Path

import pytest
import torch
from _helpers.exported import needs_exporter, run_file, small_graph
from _helpers.system import limited_file_size
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError, ResourceError
from cpabmm_core.export import onnx_file
from cpabmm_core.export.graphs import Graph, GraphTensor, for_poses
from cpabmm_core.export.onnx_file import write_graph

needs_exporter()
ROOT = Path(__file__).parents[2]


class Fixed(nn.Module):
    """Reads the batch size as a number of Python, so the graph would take no other."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), 2, 2).sum(2)


class Eigenvalues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = torch.linalg.eigvals(x.view(-1, 2, 2))
        return values.real


class EachPose(nn.Module):
    def forward(self, source: Tensor, pose: Tensor) -> Tensor:
        [selected] = for_poses(pose, source)
        return selected + pose


def test_the_file_computes_what_the_module_does_and_names_no_file_of_this_machine(
    tmp_path: Path,
) -> None:
    import onnx

    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    [path] = write_graph(small_graph(module), tmp_path / "small.onnx")
    for batch in (1, 3, 7):
        x = torch.randn(batch, 4)
        [found] = run_file(path, {"x": x})
        torch.testing.assert_close(found, module(x).detach())
    content = path.read_bytes()
    for folder in (ROOT, Path(torch.__file__).parent):
        assert str(folder).encode() not in content
    model = onnx.load(path)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert not model.metadata_props


def test_large_weights_go_into_a_second_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "MOST_IN_ONE_FILE", 1000)
    module = nn.Linear(4, 400)
    files = write_graph(small_graph(module, outputs=400), tmp_path / "small.onnx")
    assert [path.name for path in files] == ["small.onnx", "small.onnx.data"]
    assert files[0].stat().st_size < 1600 <= files[1].stat().st_size
    x = torch.randn(2, 4)
    [found] = run_file(files[0], {"x": x})
    torch.testing.assert_close(found, module(x).detach())


def test_one_source_serves_all_poses_or_each_pose_has_its_own(tmp_path: Path) -> None:
    tensors = (GraphTensor("source", "sources", (3,), ""), GraphTensor("pose", "poses", (3,), ""))
    graph = Graph("poses", "", EachPose(), tensors, (GraphTensor("sum", "poses", (3,), ""),))
    [path] = write_graph(graph, tmp_path / "poses.onnx")
    for sources, poses in ((1, 1), (1, 4), (4, 4)):
        source, pose = torch.rand(sources, 3), torch.rand(poses, 3)
        [found] = run_file(path, {"source": source, "pose": pose})
        torch.testing.assert_close(found, source.expand(poses, 3) + pose)


@pytest.mark.parametrize(
    ("module", "reason"), [(Fixed(), "length of images"), (Eigenvalues(), "linalg_eig")]
)
def test_a_network_that_cannot_be_exported_says_so(
    tmp_path: Path, module: nn.Module, reason: str
) -> None:
    with pytest.raises(CheckpointError, match=f"small: this network cannot.*{reason}") as caught:
        write_graph(small_graph(module), tmp_path / "small.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path: Path) -> None:
    graph = small_graph(nn.Linear(4, 5000), outputs=5000)
    with limited_file_size(10_000), pytest.raises(ResourceError, match="no space left"):
        write_graph(graph, tmp_path / "small.onnx")
