"""The graphs in ONNX Runtime against the networks in PyTorch, on two pictures."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.errors import CheckpointError
from cpabmm_core.export.graphs import Graph, run_module
from cpabmm_core.files.checks import one_line
from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.animation_model import AnimationModel

TOLERANCE = 1e-3
"""Largest accepted difference, relative to the largest value of the tensor if that exceeds 1."""
_DETAIL = 8
"""Side of the random pictures before they are enlarged to the size of the frames."""
_FATAL_ONLY = 4  # errors are raised, so ONNX Runtime need not print them too
_SHOWN = 200

Tensors = dict[str, Tensor]
"""Tensors by the names that they have in the graphs."""


def example_tensors(model: AnimationModel, sources: int, poses: int) -> Tensors:
    """Return what every graph takes, from random smooth pictures.

    Args:
        model: the model, on the CPU and in eval mode.
        sources: number of sources.
        poses: number of driving frames.
    """
    generator = torch.Generator().manual_seed(0)
    size = (model.frame_size, model.frame_size)
    coarse = torch.rand(sources + poses, 3, _DETAIL, _DETAIL, generator=generator)
    pictures = F.interpolate(coarse, size, mode="bilinear", align_corners=True)
    source, driving = pictures[:sources], pictures[sources:]
    which = torch.arange(poses) % sources
    with torch.no_grad():
        source_keypoints, keypoints = model.keypoints(source), model.keypoints(driving)
        background = model.background(source[which], driving)
        candidates = candidate_flows(model, source_keypoints[which], keypoints, background)
        features = model.generator.encode(source)
    return {
        "image": driving,
        "source": source,
        "driving": driving,
        "source_keypoints": source_keypoints,
        "keypoints": keypoints,
        "candidates": candidates,
        **{f"features_{level}": tensor for level, tensor in enumerate(features)},
    }


def candidate_flows(
    model: AnimationModel,
    source_keypoints: Tensor,  # (B, N, 2 or 6)
    keypoints: Tensor,  # (B, N, 2 or 6)
    background: Tensor | None = None,  # (B, 3, 3)
) -> Tensor:  # (B, K, h, w, 2)
    """Return the candidate motions as the graph ``render`` takes them, the background's first."""
    size = model.dense_motion.flow_size((model.frame_size, model.frame_size))
    rest = identity_grid(*size).expand(len(keypoints), -1, -1, -1)
    if background is not None:
        rest = apply_affine(background, rest)
    moved = model.candidate_motion(source_keypoints, keypoints, size)
    return torch.cat((rest[:, None], moved), dim=1)


def largest_difference(graph: Graph, path: Path, examples: Sequence[Mapping[str, Tensor]]) -> float:
    """Run a graph in ONNX Runtime and return by how much it differs from its network.

    Args:
        graph: the graph, whose module is the network.
        path: its .onnx file.
        examples: inputs by name, more than the graph takes; of different batch sizes.

    Returns:
        The largest difference of an output, relative to its largest value if that exceeds 1.

    Raises:
        CheckpointError: it exceeds `TOLERANCE`, the network gives values that are not finite, or
            ONNX Runtime cannot run the file.
    """
    worst = max(_differences(graph, path, examples))
    if worst <= TOLERANCE:
        return worst
    if worst == torch.inf:
        raise CheckpointError(
            f"{graph.name}: the network gives NaN or infinity: its weights are damaged",
            "use another checkpoint",
        )
    raise CheckpointError(
        f"{graph.name}: differs by {worst:.2g} in ONNX Runtime, more than {TOLERANCE:g}",
        "use another checkpoint, or other versions of onnxscript and onnxruntime",
    )


def _differences(
    graph: Graph, path: Path, examples: Sequence[Mapping[str, Tensor]]
) -> Iterator[float]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        for example in examples:
            inputs = _inputs(graph, example)
            expected = run_module(graph.module, list(inputs.values()))
            feed = {name: tensor.numpy() for name, tensor in inputs.items()}
            found = session.run([tensor.name for tensor in graph.outputs], feed)
            for one, other in zip(found, expected, strict=True):
                yield _difference(one, other.numpy())
    except Exception as error:  # ONNX Runtime has many error classes
        raise CheckpointError(
            f"{path.name}: onnxruntime {onnxruntime.__version__} cannot run it "
            f"({one_line(error)[:_SHOWN]})",
            "upgrade onnxruntime",
        ) from None


def _inputs(graph: Graph, example: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the inputs of a graph, cut so that axes of one name have one length."""
    axes = {tensor.axis for tensor in graph.inputs}
    shortest = {
        axis: min(len(example[tensor.name]) for tensor in graph.inputs if tensor.axis == axis)
        for axis in axes
    }
    return {tensor.name: example[tensor.name][: shortest[tensor.axis]] for tensor in graph.inputs}


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    if found.shape != expected.shape:
        raise ValueError(f"gives {found.shape} instead of {expected.shape}")
    if not np.isfinite(expected).all():
        return float("inf")
    difference = np.abs(found.astype(np.float64) - expected).max()
    return float(np.nan_to_num(difference / max(1.0, np.abs(expected).max()), nan=1.0))
