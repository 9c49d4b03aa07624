"""One ONNX file: traced by PyTorch, checked, and written without paths of this machine."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError
from cpabmm_core.export.graphs import Graph
from cpabmm_core.files.checks import one_line, write_error

OPSET = 18
"""Version of the operators, the one that PyTorch's exporter translates to without a conversion."""
_LENGTHS = (3, 2)
"""Lengths of the free axes of the traced inputs. None is 1, which would be taken for a constant."""
MOST_IN_ONE_FILE = 1_500_000_000
"""Bytes of weights above which they get a file of their own."""
_SHOWN = 200


class _Unpacked(nn.Module):
    """Calls a module with the tensors of one tuple, so that all graphs have the same signature."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, tensors: tuple[Tensor, ...]) -> Any:  # noqa: ANN401  (a tensor, or several)
        return self.module(*tensors)


def write_graph(graph: Graph, path: Path) -> list[Path]:
    """Trace a graph, check it and write it.

    Weights of more than 1.5 GB go into a second file beside it, ``NAME.onnx.data``: a file of
    Protocol Buffers holds at most 2 GB.

    Args:
        graph: the graph, on the CPU.
        path: the .onnx file to write.

    Returns:
        The files that were written.

    Raises:
        CheckpointError: an operation of a network has no translation to ONNX.
        MediaError: the file cannot be written.
        ResourceError: the disk is full.
    """
    try:
        with warnings.catch_warnings():  # of PyTorch about its own internals
            warnings.simplefilter("ignore")
            program = _trace(graph)
    except MemoryError:
        raise
    except Exception as error:  # the exporter has many error classes
        raise CheckpointError(
            f"{graph.name}: this network cannot become an ONNX graph ({_reason(error)})",
            "use a checkpoint with another backbone",
        ) from None
    weights = sum(tensor.nbytes for tensor in graph.module.state_dict().values())
    try:
        program.save(path, external_data=weights > MOST_IN_ONE_FILE)
    except OSError as error:
        raise write_error(path, error) from None
    import onnx

    onnx.checker.check_model(str(path), full_check=True)
    return sorted(path.parent.glob(f"{path.name}*"))


def _trace(graph: Graph) -> Any:  # noqa: ANN401  (torch.onnx.ONNXProgram, which has no stubs)
    axes = sorted({tensor.axis for tensor in graph.inputs})
    lengths = dict(zip(axes, _LENGTHS, strict=False))
    free = {axis: torch.export.Dim(axis) for axis in axes}
    example = tuple(torch.zeros(lengths[tensor.axis], *tensor.shape) for tensor in graph.inputs)
    program: Any = torch.onnx.export(
        _Unpacked(graph.module).eval(),
        (example,),
        dynamo=True,
        input_names=[tensor.name for tensor in graph.inputs],
        output_names=[tensor.name for tensor in graph.outputs],
        dynamic_shapes=(tuple({0: free[tensor.axis]} for tensor in graph.inputs),),
        opset_version=OPSET,
        verbose=False,
    )
    for value, tensor in zip(program.model.graph.inputs, graph.inputs, strict=True):
        if isinstance(value.shape[0], int):
            raise ValueError(f"the network reads the length of {tensor.axis} as a constant")
    _remove_notes(program.model)
    return program


def _remove_notes(model: Any) -> None:  # noqa: ANN401  (onnx_ir.Model)
    """Remove the exporter's notes, which hold the paths of source files on this machine."""
    parts = [model, model.graph, *model.graph.inputs, *model.graph.initializers.values()]
    for node in model.graph.all_nodes():
        parts += [node, *node.outputs]
    for part in parts:
        part.metadata_props.clear()
        part.doc_string = None


def _reason(error: BaseException) -> str:
    """Return the first cause of an error; what wraps it are instructions for PyTorch's authors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)[:_SHOWN]
