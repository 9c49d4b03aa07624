"""The kernels of convolutions, compiled or loaded by themselves."""

from importlib import import_module


def rehearse() -> None:
    """Import the module that compiles them."""
    import_module("cpabmm_core.convolution.task")
