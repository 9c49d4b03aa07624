"""Experiment trackers, through Accelerate."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType

from cpabmm_core.config import Config
from cpabmm_core.errors import ConfigError
from cpabmm_core.files.checks import one_line

_PROJECT = "cpabmm"
_ALL = "all"  # Accelerate's name for all installed trackers


def chosen_trackers(config: Config) -> list[str]:
    """Return the configured trackers, or TensorBoard if it is installed and none is configured.

    Raises:
        ConfigError: a tracker is unknown or not installed.
    """
    wanted = config.training.trackers
    if wanted is None:
        return ["tensorboard"] if importlib.util.find_spec("tensorboard") else []
    known, installed = LoggerType.list(), [_ALL, *map(str, get_available_trackers())]
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"training.trackers: {name} is unknown to Accelerate; choose from "
                f"{', '.join(known)}, or use [] for none"
            )
        if name not in installed:  # Accelerate would ignore it silently
            raise ConfigError(
                f"training.trackers: {name} is not installed; install it, or use [] for none"
            )
    return list(wanted)


def start_trackers(accelerator: Accelerator, config: Config) -> None:
    """Start the trackers and log the configuration.

    Raises:
        ConfigError: a tracker does not start.
    """
    try:
        accelerator.init_trackers(_PROJECT, config=_flat(config.model_dump(mode="json")))
    except Exception as error:  # trackers raise various errors: not logged in, no server, ...
        reason = one_line(error)[:200]
        raise ConfigError(
            f"training.trackers: cannot start {', '.join(chosen_trackers(config))} ({reason}); "
            "set it up or use training.trackers=[]"
        ) from None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Flatten sections to dotted keys, with values that every tracker accepts."""
    flat: dict[str, str | int | float | bool] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            plain = isinstance(value, str | int | float | bool)
            flat[f"{prefix}{key}"] = value if plain else str(value)
    return flat
