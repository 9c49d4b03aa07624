"""Image animation by continuous piecewise-affine based motion (CPABMM, AAAI 2024).

The names below are the public interface; the stub ``__init__.pyi`` lists them. Each is imported on
first use, so that a program which needs only the errors does not wait for torch.

Example:
    >>> import cpabmm_core as cpabmm
    >>> model = cpabmm.load_model("puppets", device="cpu")
    >>> model.frame_size
    128
"""

import lazy_loader

_from_stub, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import a name of the stub, or look up the version, when it is used."""
    if name == "__version__":
        return _version()
    value: object = _from_stub(name)
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cpabmm")
    except PackageNotFoundError:  # a source tree that nobody has installed
        return "0+unknown"
