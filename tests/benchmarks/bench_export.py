"""An animated frame by the exported graphs in ONNX Runtime, and by cpabmm.

    python -m pytest -s tests/benchmarks/bench_export.py

Both sides detect the keypoints of one frame, compute its candidate motions with the same code, and
render it in float32; the source was encoded before. ONNX Runtime has as many threads as PyTorch and
always uses all instructions of the CPU, so there is no run that is held to AVX2.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks._report import Row, alternate, print_rows
from benchmarks.peer_loop import random_frames, random_model
from torch import Tensor

from cpabmm_core import load_model
from cpabmm_core.export.graphs import model_graphs
from cpabmm_core.export.onnx_file import write_graph
from cpabmm_core.export.parity import candidate_flows
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.models.animation_model import AnimationModel


class ExportedFrame:
    """The graphs of a model in ONNX Runtime, with a source that is already encoded."""

    def __init__(self, model: AnimationModel, source: Tensor, folder: Path) -> None:
        self.model = model
        self.sessions = {
            graph.name: _session(write_graph(graph, folder / f"{graph.name}.onnx")[0])
            for graph in model_graphs(model)[:3]
        }
        image = source.numpy()
        [self.points] = self.sessions["keypoints"].run(None, {"image": image})
        features = self.sessions["encode"].run(None, {"source": image})
        self.known = {"source": image, "source_keypoints": self.points}
        self.known |= {f"features_{level}": each for level, each in enumerate(features)}

    @torch.no_grad()
    def render(self, frame: Tensor) -> np.ndarray:  # (1, 3, S, S) -> (1, 3, S, S)
        """Render the source in the pose of a frame."""
        [pose] = self.sessions["keypoints"].run(None, {"image": frame.numpy()})
        points, moved = torch.from_numpy(self.points), torch.from_numpy(pose)
        flows = candidate_flows(self.model, points, moved).numpy()
        feed = {"keypoints": pose, "candidates": flows, **self.known}
        image: np.ndarray = self.sessions["render"].run(["image"], feed)[0]
        return image


def _session(path: Path) -> Any:  # noqa: ANN401  (onnxruntime has no types)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure() -> list[Row]:
    """Compare a frame of the full width and one of the bundled model."""
    models = {
        "animated frame, full width": (random_model(), 5),
        "animated frame, bundled model": (load_model("puppets", device="cpu"), 40),
    }
    return [_compare(name, model, repeats) for name, (model, repeats) in models.items()]


def _compare(what: str, model: AnimationModel, repeats: int) -> Row:
    source, frame = random_frames(2, model.frame_size).split(1)
    inference_model = InferenceModel(model, batch_size=1)
    with tempfile.TemporaryDirectory() as folder:
        exported = ExportedFrame(model, source, Path(folder))
    encoded = EncodedSource(inference_model, source)

    @torch.no_grad()
    def ours() -> Tensor:
        return encoded.render(inference_model.model.keypoints(frame))

    assert np.abs(exported.render(frame) - ours().numpy()).max() < 1e-2
    peer, own = alternate([lambda: exported.render(frame), ours], repeats=repeats)
    return Row(f"{what}, float32", "ONNX Runtime with the exported graphs", peer, own)


@pytest.mark.usefixtures("all_cores")
def test_frame() -> None:
    """Print the rows."""
    print_rows(measure())
