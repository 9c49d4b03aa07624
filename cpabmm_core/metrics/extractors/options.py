"""Options of an extractor's name, checked."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from cpabmm_core.errors import ConfigError
from cpabmm_core.metrics.extractors.interface import Request


def check_options(name: str, request: Request, known: Sequence[str]) -> None:
    """Check that all options are known.

    Raises:
        ConfigError: one is not.
    """
    unknown = sorted(set(request.options) - set(known))
    if unknown:
        names = ", ".join(known) or "none"
        raise ConfigError(f"{name}: unknown option {unknown[0]}; it takes {names}")


def require_package(module: str, name: str, extra: str) -> ModuleType:
    """Import a package of an extra.

    Raises:
        ConfigError: it is not installed or cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{name}: {module} cannot be imported ({error}); "
            f"install it with: pip install 'cpabmm[{extra}]'"
        ) from None
