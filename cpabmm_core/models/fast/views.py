"""Views of modules: the same parameters and buffers in modules of other classes."""

from collections.abc import Callable

from torch import nn

Prepare = Callable[[nn.Module], nn.Module]
"""Returns the module that stands for a module in a view."""


def adopt(view: nn.Module, plain: nn.Module, prepare: Prepare) -> None:
    """Make `view` a view of `plain` in eval mode.

    The view has all attributes of `plain` and shares its parameters, buffers and hooks, also those
    that change or are replaced later. Only its children and its mode are its own.

    Args:
        view: a module whose constructor has not run.
        plain: the module to show; it stays as it is.
        prepare: returns the view of a child.
    """
    view.__dict__.update(plain.__dict__)
    children = {
        name: None if child is None else prepare(child) for name, child in plain._modules.items()
    }
    view.__dict__.update(_modules=children, training=False)


def eval_view(plain: nn.Module, prepare: Prepare) -> nn.Module:
    """Return a view of `plain` of the same class."""
    kind = type(plain)
    view = kind.__new__(kind)
    adopt(view, plain, prepare)
    return view
