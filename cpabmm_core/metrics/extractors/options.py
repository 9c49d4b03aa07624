"""Checks of the options and packages of an extractor."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from cpabmm_core.errors import ConfigError
from cpabmm_core.metrics.extractors.interface import Request


def check_options(name: str, request: Request, allowed: Sequence[str]) -> None:
    """Check that every option is allowed.

    Raises:
        ConfigError: an option is unknown.
    """
    unknown = sorted(set(request.options) - set(allowed))
    if unknown:
        names = ", ".join(allowed) or "none"
        raise ConfigError(f"{name}: unknown option {unknown[0]}; it takes {names}")


def require_package(module: str, name: str, extra: str) -> ModuleType:
    """Import a module of an optional dependency.

    Raises:
        ConfigError: the module is not installed or cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{name}: {module} cannot be imported ({error}); "
            f"install it with: pip install 'cpabmm[{extra}]'"
        ) from None
