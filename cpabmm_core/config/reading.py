"""Reading configurations from YAML files and overrides, and writing them."""

import codecs
import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cpabmm_core.config.problems import first_problem, shorten, suggest
from cpabmm_core.config.schema import Config
from cpabmm_core.config.yaml_format import YamlProblem, read_yaml, write_yaml
from cpabmm_core.errors import ConfigError
from cpabmm_core.files.checks import one_line, require_file

_EXTENDS = "extends"
_MAX_BYTES = 1_000_000


def shipped_configs() -> list[str]:
    """Return the names of the configurations that ship with the package, sorted.

    Example:
        >>> from cpabmm_core.config import shipped_configs
        >>> {"taichi-256", "vox-256", "puppets-64"} <= set(shipped_configs())
        True
    """
    folder = resources.files("cpabmm_core") / "configs"
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def load_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration by shipped name or by path, then apply overrides.

    Args:
        name_or_path: a name from `shipped_configs`, or the path of a YAML file. A file with the key
            ``extends`` contains only the differences from the configuration of that name or path.
        overrides: ``key=value`` strings of dotted keys and YAML values; of two for the same key,
            the later one applies.

    Raises:
        ConfigError: the configuration does not exist, is not valid YAML, gives a key twice, or has
            an unknown key or an invalid value.

    Example:
        >>> from cpabmm_core.config import load_config
        >>> load_config("vox-256", ["model.background=null"]).model.background is None
        True
    """
    values = _read_values(name_or_path)
    for override in overrides:
        _apply_override(values, override)
    return config_from_dict(values, str(name_or_path))


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Validate nested dictionaries as a `Config`.

    Args:
        values: sections and keys; missing ones get their defaults.
        origin: name of the source of the values, for error messages.

    Raises:
        ConfigError: a key is unknown or a value is invalid.

    Example:
        >>> from cpabmm_core.config import config_from_dict
        >>> config_from_dict({"data": {"frame_size": 64}}, "example").data.frame_size
        64
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {first_problem(error)}") from None


def dump_config(config: Config) -> str:
    """Return the configuration as YAML, from which `load_config` restores an equal one.

    Example:
        >>> from cpabmm_core.config import Config, dump_config
        >>> dump_config(Config()).splitlines()[:2]
        ['data:', '  frame_size: 256']
    """
    return write_yaml(config.model_dump(mode="json"))


def _read_values(name_or_path: str | Path, derived: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a file's values, merged into those of the configuration that it extends, if any."""
    origin = str(name_or_path)
    if origin in derived:
        chain = " -> ".join((*derived, origin))
        raise ConfigError(f"{origin}: extends itself ({chain}); remove one {_EXTENDS} of the chain")
    values = _parse(_read_text(name_or_path, derived[-1:]), origin)
    base = values.pop(_EXTENDS, None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ConfigError(
            f"{origin}: {_EXTENDS}: expected the name or path of a configuration, got {base!r}"
        )
    return _merge(_read_values(base, (*derived, origin)), values)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _read_text(name_or_path: str | Path, named_by: tuple[str, ...] = ()) -> str:
    path = Path(name_or_path)
    if _is_file(path):
        return _decode(path)
    names = shipped_configs()
    if str(name_or_path) in names:
        shipped = resources.files("cpabmm_core") / "configs" / f"{name_or_path}.yaml"
        return shipped.read_text(encoding="utf-8")
    if os.path.exists(path):
        require_file(path, error=ConfigError, expected="a YAML file")
    shown = shorten(str(name_or_path))
    close = suggest(str(name_or_path), names)
    if named_by:
        cure = close or "; give the path of a file or the name of a shipped one"
        raise ConfigError(f"{named_by[0]}: {_EXTENDS}: {shown}: no such configuration{cure}")
    cure = close or f"; give a YAML file or one of: {', '.join(names)}"
    raise ConfigError(f"{shown}: no such configuration{cure}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long for a file
        return False


def _decode(path: Path) -> str:
    """Return the text of a file in UTF-8, or in another encoding that a byte order mark states."""
    try:
        if path.stat().st_size:  # an empty file means that all values are the defaults
            require_file(path, error=ConfigError, expected="a YAML file")
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(
                f"{path}: has {path.stat().st_size} bytes, but a configuration has at most "
                f"{_MAX_BYTES}; give a YAML file of settings"
            )
        data = path.read_bytes()
        utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if utf_16 else "utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({one_line(error)}); check it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: is not UTF-8 text ({one_line(error)}); save it as UTF-8"
        ) from None


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        values = read_yaml(text)
    except YamlProblem as problem:
        raise ConfigError(f"{origin}: {problem}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        sections = ", ".join(Config.model_fields)
        raise ConfigError(
            f"{origin}: expected sections ({sections}), got a {type(values).__name__}"
        )
    # a section whose keys are all commented out is null
    empty = (key for key in Config.model_fields if values.get(key, ...) is None)
    return values | {key: {} for key in empty}


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    shown = shorten(override)
    if not equals or not key:
        raise ConfigError(f"override {shown}: expected key=value, for example training.workers=2")
    *sections, last = key.split(".")
    for section in sections:
        child = values.setdefault(section, {})
        if not isinstance(child, dict):
            raise ConfigError(
                f"override {shown}: {shorten(section)} is a value, not a section; set it as a whole"
            )
        values = child
    try:
        values[last] = read_yaml(value)
    except YamlProblem as problem:
        raise ConfigError(f"override {shown}: the value {problem}") from None
