"""Readers of configurations: YAML files, overrides and the JSON in checkpoints."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml
from fuzz.oracle import Action, BrokenPromiseError, Target

from cpabmm_core.checkpoint.older import upgrade_config
from cpabmm_core.config import Config, config_from_dict, dump_config, load_config, shipped_configs
from cpabmm_core.config.reading import _read_text
from cpabmm_core.errors import ConfigError

_SUFFIXES = (".yaml", ".json", ".set")
_KEY = "training.seed"


def _actions(path: Path, scratch: Path) -> Mapping[str, Action]:
    if path.suffix == ".set":
        return {"--set": lambda: _override(path)}
    if path.suffix == ".json":
        return {"config_from_dict": lambda: _from_dict(path)}
    return {"load_config": lambda: _check(load_config(path, ["training.workers=2"]))}


def _override(path: Path) -> Config:
    """Apply an override; name it in the error as if it were a file."""
    text = path.read_bytes().decode("utf-8", "surrogateescape").replace("\0", "")
    try:
        return _check(load_config("vox-256", [text]))
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error


def _check(config: Config) -> Config:
    """Return a configuration that survives writing and reading."""
    text = dump_config(config)
    again = config_from_dict(yaml.load(text, Loader=yaml.CSafeLoader), "dumped")
    if again != config and "nan" not in text:
        raise BrokenPromiseError("the dumped configuration differs")
    if Config.model_validate_json(config.model_dump_json()) != config and "nan" not in repr(config):
        raise BrokenPromiseError("the configuration in a checkpoint differs")
    return config


def _from_dict(path: Path) -> Config | None:
    """Read the configuration in the metadata of a checkpoint, after the upgrade of older ones."""
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    return config_from_dict(upgrade_config(values), path.name)


def _write_seeds(folder: Path) -> None:
    for name in shipped_configs():
        (folder / f"{name}.yaml").write_text(_read_text(name))
    (folder / "everything.yaml").write_text(dump_config(Config()))
    (folder / "everything.json").write_text(Config().model_dump_json())
    older = {"model": {"cpab": {"solver": "adam", "implicit_gradient": False}}}
    (folder / "older.json").write_text(
        json.dumps({**older, "losses": {"vgg_weights": None}, "training": {"gradient_clip": 10}})
    )
    (folder / "anchors.yaml").write_text(
        "extends: vox-256\ntraining: &t\n  milestones: [1, 2]\n  seed: 0x10\navd:\n  <<: *t\n"
    )
    for number, override in enumerate(
        (
            f"{_KEY}=7",
            "model.background=null",
            "training.milestones=[10, 20]",
            "training.betas=[0.5, .inf]",
            "data={frame_size: 64}",
            "losses.perceptual.weights=a/b.pth",
        )
    ):
        (folder / f"{number}.set").write_text(override)


TARGET = Target(
    name="configurations",
    suffixes=_SUFFIXES,
    write_seeds=_write_seeds,
    actions=_actions,
    exit_codes=frozenset({4}),
)
