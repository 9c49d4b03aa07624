from pathlib import Path

import pytest
import torch

from cpabmm_core.config import (
    BackgroundConfig,
    Config,
    config_from_dict,
    dump_config,
    load_config,
    shipped_configs,
)
from cpabmm_core.errors import ConfigError
from cpabmm_core.models.build import build_model


def test_configurations_of_the_papers_data_sets_are_shipped() -> None:
    assert {"taichi-256", "ted-384", "vox-256", "mgif-256"} <= set(shipped_configs())


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_config_builds_and_round_trips(name: str, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("name", "repeats", "dropout", "background_from", "iterations", "avd"),
    [
        ("taichi-256", 300, (0, 0.7), 0, 200, (100, 150, (70, 90))),
        ("ted-384", 150, (0, 0.5), 0, 100, (30, 500, (20, 25))),
        ("vox-256", 75, (0.1, 0.3), 10, 100, (200, 300, (140, 180))),
        ("mgif-256", 50, (0.2, 0.5), None, 100, (100, 50, (70, 90))),
    ],
)
def test_data_sets_have_the_papers_settings(
    name: str,
    repeats: int,
    dropout: tuple[float, float],
    background_from: float | None,
    iterations: int,
    avd: tuple[int, int, tuple[float, ...]],
) -> None:
    """Settings of the paper's code. Settings common to all data sets are the defaults."""
    config = load_config(name)
    assert config.data.repeats == repeats
    assert config.data.frame_size == int(name[-3:])
    schedule = config.training.candidate_dropout
    assert (schedule.start, schedule.maximum) == dropout
    assert (schedule.ramp_epochs, schedule.until_epoch) == (10, 35)
    assert (config.model.background is None) == (background_from is None)
    assert config.training.background_from_epoch == (background_from or 0)
    assert (config.avd.epochs, config.avd.repeats, config.avd.milestones) == avd
    assert (config.losses.semantic, config.losses.structure) == (1, 0.1)
    assert config.model.cpab.paper_iterations == iterations


@pytest.mark.parametrize("row", ["-cpab", "-cpab-global", "-semantic", "-structure", ""])
@pytest.mark.parametrize("data_set", ["taichi-256", "ted-384", "vox-256", "mgif-256"])
def test_row_with_the_papers_fit_differs_in_one_key(data_set: str, row: str) -> None:
    ours, papers = (load_config(f"{data_set}{row}{end}").model_dump() for end in ("", "-paper"))
    assert ours["model"]["cpab"].pop("fit") == "solve"
    assert papers["model"]["cpab"].pop("fit") == "paper"
    assert papers == ours


@pytest.mark.parametrize("name", shipped_configs())
def test_rows_sample_by_identity_like_the_published_ones(name: str) -> None:
    by_identity = name.startswith(("taichi-256", "ted-384", "vox-256"))
    assert load_config(name).data.identity_sampling is by_identity


@pytest.mark.parametrize("share", [-0.1, 1])
def test_holding_out_everything_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=r"data\.test_share"):
        load_config("vox-256", [f"data.test_share={share}"])


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_file_extends_a_configuration(tmp_path: Path) -> None:
    own = write(
        tmp_path / "own.yaml",
        "extends: vox-256\n"
        "model: {cpab: {cells: 3}, background: null}\n"
        "training: {candidate_dropout: {maximum: 0.9}}\n",
    )
    config, base = load_config(own), load_config("vox-256")
    assert config.model.cpab == base.model.cpab.model_copy(update={"cells": 3})
    assert config.model.background is None
    assert config.training.candidate_dropout.maximum == 0.9
    assert config.training.candidate_dropout.start == 0.1
    assert (config.data, config.losses) == (base.data, base.losses)


def test_chains_of_files_and_null_sections(tmp_path: Path) -> None:
    first = write(tmp_path / "first.yaml", "training: {batch_size: 3, workers: 1, seed: 4}")
    second = write(tmp_path / "second.yaml", f"extends: {first}\ntraining: {{workers: 2}}")
    third = write(
        tmp_path / "third.yaml", f"extends: {second}\nmodel: {{background: {{backbone: a}}}}"
    )
    last = write(tmp_path / "last.yaml", f"extends: {third}\nmodel: {{background: null}}")
    config = load_config(last, ["training.seed=5"])
    training = config.training
    assert (training.batch_size, training.workers, training.seed) == (3, 2, 5)
    assert load_config(third).model.background == BackgroundConfig(backbone="a")
    assert config.model.background is None


def test_circular_extends_is_an_error(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    write(one, f"extends: {two}")
    write(two, f"extends: {one}")
    with pytest.raises(ConfigError, match="extends itself") as caught:
        load_config(one)
    assert f"({one} -> {two} -> {one})" in str(caught.value)
    with pytest.raises(ConfigError, match="extends itself"):
        load_config(write(one, f"extends: {one}"))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("vox256", "vox256: no such configuration; did you mean vox-256"),
        ("[vox-256]", r"expected the name or path of a configuration, got \['vox-256'\]"),
        ("3", "extends: expected the name or path of a configuration, got 3"),
    ],
)
def test_unknown_base_is_an_error(base: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write(tmp_path / "own.yaml", f"extends: {base}"))
    assert "\n" not in str(caught.value)


def test_unknown_key_next_to_extends_is_named(tmp_path: Path) -> None:
    own = write(tmp_path / "own.yaml", "extends: vox-256\ntraining: {batchsize: 2}")
    with pytest.raises(ConfigError, match=r"own\.yaml: unknown key training\.batchsize; did you"):
        load_config(own)


def test_overrides_take_precedence() -> None:
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
        (["model.motion=fomm"], "model.motion: .*'cpab', 'tps' or 'affine'.* got 'fomm'"),
        (["data.repeats.x=1"], "repeats is a value, not a section"),
        (["data.repeats=["], "the value is not valid YAML"),
        (["model.background=1"], "model.background: expected a section with keys, got 1"),
        (["training.milestones=3"], "training.milestones: expected a list, got 3"),
        (["data.augment.resize=[1]"], "data.augment.resize.1: expected another number, got \\[1"),
    ],
)
def test_wrong_override_is_named(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config("vox-256", overrides)
    assert "\n" not in str(caught.value)


def test_unknown_config_suggests_the_closest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean vox-256"):
        load_config("vox256")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data: [1", "not valid YAML"),
        (b"just words", r"expected sections \(data, model, losses, training, avd\), got a str"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"data: \xe9", "is not UTF-8 text .*; save it as UTF-8"),
        (b"dta: {}", "unknown key dta; did you mean data"),
    ],
)
def test_damaged_file_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(file)
    assert "own.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(tmp_path / "empty.yaml") == Config() == config_from_dict({}, "nothing")


def test_an_empty_section_has_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("training:\n  # seed: 3\ndata:\n", encoding="utf-8")
    assert load_config(path) == Config()
    assert load_config(path, ["training.seed=4", "data.repeats=1"]).training.seed == 4
