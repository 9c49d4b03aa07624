"""The tensors of another layout by their names in a model of cpabmm."""

from pathlib import Path

from cpabmm_core.checkpoint.differences import check_values, describe_differences
from cpabmm_core.checkpoint.filling import expected_tensors
from cpabmm_core.checkpoint.layouts import Layout, Tensors
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError


def check_shapes(path: Path, layout: Layout, tensors: Tensors, config: Config) -> None:
    """Check that the tensors of a file are those of the configured model.

    Raises:
        CheckpointError: they differ; the message names them as in the file.
    """
    original = {layout.rename(name): name for name in layout.weights(tensors)}
    shapes = {name: tensor.to("meta") for name, tensor in tensors.items()}  # allocates nothing
    problems = describe_differences(
        {original.get(n, n): tuple(t.shape) for n, t in _renamed(layout, shapes).items()},
        {original.get(n, n): tuple(t.shape) for n, t in expected_tensors(path, config).items()},
    )
    if problems:
        raise CheckpointError(
            f"{path}: has the layout of {layout.title}, but its networks differ: {problems}; "
            "forks and other variants cannot be converted"
        )


def rename_tensors(path: Path, layout: Layout, tensors: Tensors, config: Config) -> Tensors:
    """Return all tensors of the model by their names in it, in float32.

    Raises:
        CheckpointError: weights are stored as integers, or are not finite.
    """
    original = {layout.rename(name): name for name in layout.weights(tensors)}
    renamed, expected = _renamed(layout, tensors), expected_tensors(path, config)
    check_values(path, renamed, expected, original)
    return {name: renamed[name].detach().to(tensor.dtype) for name, tensor in expected.items()}


def _renamed(layout: Layout, tensors: Tensors) -> Tensors:
    weights = layout.weights(tensors)
    return layout.adapt({layout.rename(name): tensor for name, tensor in weights.items()})
