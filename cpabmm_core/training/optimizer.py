"""Adam in one pass over the weights, and the restoration of its saved state."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def create_adam(
    parameters: Iterable[nn.Parameter],
    *,
    device: torch.device,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float = 0.0,
) -> torch.optim.Adam:
    """Create Adam (Kingma and Ba, ICLR 2015), with weight decay as an L2 penalty.

    On a CPU its updates are fused: PyTorch's default there reads and writes all weights about ten
    times a step. On other devices PyTorch chooses.

    Args:
        parameters: the weights to train.
        device: the device of the training, to which the weights may still have to be moved.
        learning_rate: initial learning rate.
        betas: decay rates of the moment estimates.
        weight_decay: factor of the penalty.
    """
    fused = True if device.type == "cpu" else None
    return torch.optim.Adam(
        parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=fused
    )


def restore_adam(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a saved state, whichever implementation of Adam and memory layout it comes from.

    PyTorch would restore the implementation along with the settings, and leave the moments in the
    layout in which they were saved, although fused updates read all tensors in the layout of the
    weights.

    Args:
        optimizer: an optimizer from `create_adam`, possibly prepared by Accelerate.
        state: its saved state.

    Raises:
        ValueError: the state belongs to other weights.
        KeyError: the state is incomplete.
    """
    chosen = {name: optimizer.param_groups[0][name] for name in ("fused", "foreach")}
    groups = [{**group, **chosen} for group in state["param_groups"]]
    optimizer.load_state_dict({**state, "param_groups": groups})
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.ndim:
                moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)
