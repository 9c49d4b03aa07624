"""Image animation by continuous piecewise-affine based motion (CPABMM, AAAI 2024).

The names below are the public interface; the stub ``__init__.pyi`` lists them. Each is imported on
first use, so that a program which needs only the errors does not wait for torch.

Example:
    >>> import cpabmm_core as cpabmm
    >>> model = cpabmm.load_model("puppets", device="cpu")
    >>> model.frame_size
    96
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
try:
    __version__ = version("cpabmm")
except PackageNotFoundError:  # a source tree that nobody has installed
    __version__ = "0+unknown"
