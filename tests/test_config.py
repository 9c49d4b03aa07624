from pathlib import Path

import pytest
import torch

from cpabmm_core.config import (
    Config,
    config_from_dict,
    dump_config,
    load_config,
    shipped_configs,
)
from cpabmm_core.errors import ConfigError
from cpabmm_core.models.build import build_model


def test_the_data_sets_of_the_paper_are_shipped() -> None:
    assert {"taichi-256", "ted-384", "vox-256", "mgif-256"} <= set(shipped_configs())


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_config_builds_and_survives_yaml(name: str, tmp_path: Path) -> None:
    config = load_config(name)
    with torch.device("meta"):
        model = build_model(config)
    assert model.frame_size == config.data.frame_size
    file = tmp_path / "again.yaml"
    file.write_text(dump_config(config))
    assert load_config(file) == config


def test_defaults_are_the_papers() -> None:
    training = Config().training
    assert (training.learning_rate, training.betas, training.milestones) == (
        1e-4,
        (0.5, 0.999),
        (70, 90),
    )
    cpab = Config().model.cpab
    assert (cpab.cells, cpab.global_cells, cpab.boundary) == (4, 6, "free")


def test_overrides_win_over_the_file() -> None:
    config = load_config(
        "vox-256", ["training.batch_size=3", "model.background=null", "data.augment.hue=0"]
    )
    assert config.training.batch_size == 3
    assert config.model.background is None
    assert config.data.augment.hue == 0
    assert config.data.repeats == 75


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.batchsize=3"], "unknown key training.batchsize; did you mean batch_size?"),
        (["model.cpab.cels=3"], "unknown key model.cpab.cels; did you mean cells?"),
        (["training.batch_size=0"], "training.batch_size: .*greater than 0, got 0"),
        (["training.batch_size"], "expected key=value"),
        (["model.motion=fomm"], "model.motion: .*'cpab' or 'tps'.* got 'fomm'"),
        (["data.repeats.x=1"], "repeats is a value, not a section"),
        (["data.repeats=["], "is not a YAML value"),
    ],
)
def test_wrong_overrides_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config("vox-256", overrides)
    assert "\n" not in str(caught.value)


def test_unknown_config_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean vox-256"):
        load_config("vox256")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data: [1", "not valid YAML"),
        (b"just words", "expected sections"),
        (b"\xff\xfe\x00", "not a readable text file"),
        (b"dta: {}", "unknown key dta; did you mean data"),
    ],
)
def test_damaged_files_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(file)
    assert "own.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(tmp_path / "empty.yaml") == Config() == config_from_dict({}, "nothing")
