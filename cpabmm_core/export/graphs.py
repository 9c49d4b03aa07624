"""The parts of a model that become ONNX graphs, with the names and shapes of their tensors.

A graph takes and gives float32 tensors, whose first axis is free: its name stands in the shape. The
fit of the candidate motions is an iteration, so it stays outside; the candidates are an input.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.avd import AvdNetwork
from cpabmm_core.models.background import BackgroundPredictor
from cpabmm_core.models.dense_motion import DenseMotionNetwork
from cpabmm_core.models.generator import Generator

_IMAGE = "RGB in [0, 1]"
_FLOW = "(x, y) in the source for each position in the driving frame, in [-1, 1] or outside"
_VISIBLE = "in [0, 1]; 1: the source shows the content of the driving frame, 0: painted"
_POINTS = "(x, y) in [-1, 1]"
_FRAMES = "(x, y) in [-1, 1], then the rows (xx, xy), (yx, yy) of the jacobian"


@dataclass(frozen=True)
class GraphTensor:
    """An input or an output of a graph."""

    name: str
    axis: str
    """Name of the first axis, whose length is free; axes of one name have one length."""
    shape: tuple[int, ...]
    """Lengths of the other axes."""
    meaning: str
    """What it holds, in which range."""


@dataclass(frozen=True)
class Graph:
    """A part of a model that becomes one ONNX file."""

    name: str
    """Also the name of its file, without the suffix."""
    purpose: str
    module: nn.Module
    """Takes the inputs one by one, and returns a tensor or a tuple of them."""
    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]


class _Encode(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(
        self,
        source: Tensor,  # (S, 3, H, W)
    ) -> tuple[Tensor, ...]:  # fine to coarse, each (S, C_i, H_i, W_i)
        return tuple(self.generator.encode(source))


class _Render(nn.Module):
    def __init__(self, dense_motion: DenseMotionNetwork, generator: Generator) -> None:
        super().__init__()
        self.dense_motion = dense_motion
        self.generator = generator

    def forward(
        self,
        source: Tensor,  # (S, 3, H, W)
        source_keypoints: Tensor,  # (S, N, 2 or 6)
        keypoints: Tensor,  # (B, N, 2 or 6)
        candidates: Tensor,  # (B, K, h, w, 2)
        *features: Tensor,  # fine to coarse, each (S, C_i, H_i, W_i)
    ) -> tuple[Tensor, Tensor, Tensor]:  # (B, 3, H, W), (B, h, w, 2), (B, 1, h', w')
        source, source_keypoints, *levels = for_poses(
            keypoints, source, source_keypoints, *features
        )
        motion = self.dense_motion(source, source_keypoints, keypoints, candidates)
        image = self.generator.render(source, levels, motion)
        return image, motion.deformation, motion.occlusion_maps[-1]


class _Avd(nn.Module):
    def __init__(self, avd: AvdNetwork) -> None:
        super().__init__()
        self.avd = avd

    def forward(
        self,
        source_keypoints: Tensor,  # (S, N, 2 or 6)
        keypoints: Tensor,  # (B, N, 2 or 6)
    ) -> Tensor:  # (B, N, 2 or 6)
        [identity] = for_poses(keypoints, source_keypoints)
        moved: Tensor = self.avd(identity, keypoints)
        return moved


def for_poses(
    poses: Tensor,  # (B, ...)
    *of_sources: Tensor,  # (S, ...)
) -> Iterator[Tensor]:  # (B, ...)
    """Yield each tensor with one entry per pose: pose i gets entry i modulo S.

    A graph cannot tell whether one source serves all poses or each pose has its own. Unlike an
    expansion, a selection works for both.
    """
    count = torch.full((1,), of_sources[0].shape[0], device=poses.device)
    which = torch.arange(poses.shape[0], device=poses.device).remainder(count)
    return (tensor.index_select(0, which) for tensor in of_sources)


def model_graphs(model: AnimationModel) -> list[Graph]:
    """Return the graphs of a model: three, and those of its background and avd networks.

    Args:
        model: the model, on the CPU and in eval mode. The graphs share its networks.
    """
    picture = (3, model.frame_size, model.frame_size)
    detect = _graph(
        "keypoints",
        "keypoints of sources and driving frames",
        model.keypoint_detector,
        [GraphTensor("image", "images", picture, _IMAGE)],
        {"keypoints": _FRAMES if model.motion_kind == "affine" else _POINTS},
    )
    levels = range(len(model.generator.down_blocks) + 1)
    encode = _graph(
        "encode",
        "feature maps of a source, the same for all poses",
        _Encode(model.generator),
        [GraphTensor("source", "sources", picture, _IMAGE)],
        {f"features_{level}": "feature map of the source" for level in levels},
    )
    [points] = detect.outputs
    source_points = GraphTensor("source_keypoints", "sources", points.shape, points.meaning)
    points = GraphTensor("keypoints", "poses", points.shape, points.meaning)
    graphs = [detect, encode, _render_graph(model, encode, source_points, points)]
    if isinstance(model.background_predictor, BackgroundPredictor):  # registration has no network
        graphs.append(_background_graph(model.background_predictor, picture))
    if model.avd is not None:
        graphs.append(_avd_graph(model.avd, source_points, points))
    return graphs


def _render_graph(
    model: AnimationModel, encode: Graph, source_points: GraphTensor, points: GraphTensor
) -> Graph:
    [source] = encode.inputs
    size = model.dense_motion.flow_size((model.frame_size, model.frame_size))
    flows = (model.candidate_motion.count + 1, *size, 2)
    candidates = GraphTensor("candidates", "poses", flows, _FLOW)
    return _graph(
        "render",
        "the image of the source in each pose, from the candidate motions",
        _Render(model.dense_motion, model.generator),
        [source, source_points, points, candidates, *encode.outputs],
        {"image": _IMAGE, "deformation": _FLOW, "occlusion": _VISIBLE},
        axis="poses",
    )


def _background_graph(predictor: BackgroundPredictor, picture: tuple[int, ...]) -> Graph:
    return _graph(
        "background",
        "affine motion of the background from a driving frame to the source, for reconstruction",
        predictor,
        [GraphTensor(name, "pairs", picture, _IMAGE) for name in ("source", "driving")],
        {"matrix": "maps (x, y, 1) of the driving frame to the source, both in [-1, 1]"},
    )


def _avd_graph(avd: AvdNetwork, source_points: GraphTensor, points: GraphTensor) -> Graph:
    return _graph(
        "avd",
        "keypoints of the source's object in each pose, for mode avd",
        _Avd(avd),
        [source_points, points],
        {"moved_keypoints": points.meaning},
        axis="poses",
    )


def _graph(
    name: str,
    purpose: str,
    module: nn.Module,
    inputs: Sequence[GraphTensor],
    outputs: Mapping[str, str],  # meanings by name
    *,
    axis: str | None = None,
) -> Graph:
    """Return a graph; the shapes of its outputs are those that the module returns."""
    found = run_module(module, [torch.zeros(1, *tensor.shape) for tensor in inputs])
    axis = axis or inputs[0].axis
    results = (
        GraphTensor(output, axis, tuple(tensor.shape[1:]), outputs[output])
        for output, tensor in zip(outputs, found, strict=True)
    )
    return Graph(name, purpose, module.eval(), tuple(inputs), tuple(results))


@torch.no_grad()
def run_module(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the outputs of a graph's module as a tuple, also if there is only one."""
    outputs = module(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)
