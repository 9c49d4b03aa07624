"""Small networks in ONNX files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpabmm_core.errors import ConfigError, CpabmmError
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    Request,
    open_embedding_extractor,
)

CPU = Request(device="cpu")
Shape = Sequence[int | str | None]


def write_graph(
    path: Path,
    shape: Shape,
    nodes: Sequence[tuple[str, dict[str, Any]]] = (("Flatten", {"axis": 1}),),
    *,
    kind: str = "FLOAT",
    outputs: Sequence[str] = ("embedding",),
    external: bool = False,
) -> Path:
    """Write a network that applies each operation to the input and returns one output each.

    By default the embedding is the flattened input, which reveals the preprocessing of frames.
    """
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    number = getattr(onnx.TensorProto, kind)
    weight = onnx.numpy_helper.from_array(np.ones(1, helper.tensor_dtype_to_np_dtype(number)), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "w"], ["same"]),
            *(
                helper.make_node(operation, ["same"], [output], **attributes)
                for (operation, attributes), output in zip(nodes, outputs, strict=True)
            ),
        ],
        "network",
        [helper.make_tensor_value_info("image", number, shape)],
        [helper.make_tensor_value_info(output, number, None) for output in outputs],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path, save_as_external_data=external, location="w.bin", size_threshold=0)
    return path


def frames(count: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def open_network(path: Path, query: str = "") -> EmbeddingExtractor:
    return open_embedding_extractor(f"{path}?{query}" if query else str(path), CPU)


def error_of(path: Path, query: str = "", kind: type[CpabmmError] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        open_network(path, query)
    message = str(caught.value)
    assert "\n" not in message
    return message


MEAN: list[tuple[str, dict[str, Any]]] = [("ReduceMean", {"axes": [2, 3], "keepdims": 0})]
