"""The packages of the extra ``onnx``, in a module that does not import torch."""

from importlib import import_module

from cpabmm_core.errors import ConfigError
from cpabmm_core.files.checks import one_line

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def require_packages() -> None:
    """Check that the packages of the extra ``onnx`` are installed.

    Raises:
        ConfigError: one cannot be imported.
    """
    for name in _PACKAGES:
        try:
            import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"export: needs {name}, which cannot be imported ({one_line(error)})",
                "pip install 'cpabmm[onnx]'",
            ) from None
