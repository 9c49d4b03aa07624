"""Models whose weights come from a file: their tensors without memory, and their construction.

A file can state a configuration of any size. So the tensors of the configured model are compared
with those of the file first, on torch's device ``meta``, which allocates nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.checks import one_line
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model

_RANDOM_FILLS = {
    Tensor.normal_,
    Tensor.uniform_,
    init.kaiming_normal_,
    init.kaiming_uniform_,
    init.normal_,
    init.trunc_normal_,
    init.uniform_,
    init.xavier_normal_,
    init.xavier_uniform_,
}


def expected_tensors(path: Path, config: Config) -> dict[str, Tensor]:
    """Return the tensors of the model that a file states, without their values.

    Args:
        path: the file, for the message.
        config: the configuration in the file.

    Returns:
        The tensors by name, on the device ``meta``.

    Raises:
        CheckpointError: no model has this configuration.
    """
    try:
        # On this device random values are computed by code that imports PyTorch's compiler.
        with torch.device("meta"), _WithoutRandomValues():
            return build_model(config).state_dict()
    except Exception as error:  # backbones of other libraries raise whatever they like
        raise CheckpointError(f"{path}: its configuration: {one_line(error)}") from None


def filled_model(config: Config, tensors: Mapping[str, Tensor]) -> AnimationModel:
    """Build a model with given weights, on the CPU and in eval mode.

    Args:
        config: the configuration.
        tensors: all tensors of its state dict, which `expected_tensors` has confirmed.
    """
    with _WithoutRandomValues():
        model = build_model(config)
    model.load_state_dict(tensors)
    return model.eval()


class _WithoutRandomValues(TorchFunctionMode):
    """While this context lasts, functions that fill a tensor with random values do nothing.

    The weights of a file replace all of them; their computation takes half of the construction.
    """

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401  (any function of torch)
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        if func in _RANDOM_FILLS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
