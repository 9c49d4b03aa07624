from pathlib import Path

import pytest
import torch
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.media_files import write_test_video
from _helpers.tiny_model import tiny_config

from cpabmm_core.config import dump_config
from cpabmm_core.training import loop


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_config(tiny_config()))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for name in ("a.mp4", "b.mp4"):
            write_test_video(tmp_path / "data" / split / name, frames=4)
    return tmp_path / "data"


def test_every_option_reaches_the_core(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
    seeds: list[int] = []

    def spy(*arguments: object, **options: object) -> Path:
        calls.append((arguments, options))
        seeds.append(torch.initial_seed())
        return tmp_path / "run" / "model.safetensors"

    monkeypatch.setattr(loop, "train", spy)
    folders = ("--data", tmp_path / "data", "--out", tmp_path / "run")
    options = ("--resume", "auto", "--steps", 9, "--device", "cpu")
    changes = ("--set", "training.batch_size=3", "--set", "training.seed=5")
    printed = output_of("train", "--config", config, *folders, *options, *changes)
    assert printed == f"{tmp_path / 'run' / 'model.safetensors'}\n"
    (((settings, *places), given),) = calls
    assert seeds == [5]
    assert settings == tiny_config(**{"training.batch_size": 3, "training.seed": 5})
    assert places == [tmp_path / "data", tmp_path / "run"]
    assert given.pop("reporter") is not None
    assert given == {"resume": "auto", "steps": 9, "device": "cpu"}


def test_a_run_ends_in_a_checkpoint_that_info_reads(
    tmp_path: Path, config: Path, data: Path
) -> None:
    batch = ("--set", "training.batch_size=2", "--set", "losses.reconstruction_kind=pixel")
    result = run(
        *("train", "--config", config, "--data", data, "--out", tmp_path / "run"),
        *("--steps", 2, "--device", "cpu", *batch),
    )
    assert result.exit_code == 0, result.output
    checkpoint = Path(result.stdout.strip())
    assert checkpoint.is_file()
    assert "step 2/2" in result.stderr
    assert document_of("info", checkpoint)["frame_size"] == 32


def test_a_bad_configuration_is_one_line_before_any_work(tmp_path: Path, config: Path) -> None:
    folders = ("--data", tmp_path / "none", "--out", tmp_path / "run")
    assert_fails(4, "train", "--config", "no-such", *folders, words="no-such")
    for change in ("training.batchsize=2", "training.batch_size=none", "training"):
        assert_fails(4, "train", "--config", config, *folders, "--set", change, words="training")
    assert not (tmp_path / "run").exists()


def test_a_missing_data_set_is_one_line(tmp_path: Path, config: Path) -> None:
    arguments = ("--data", tmp_path / "none", "--out", tmp_path / "run")
    assert_fails(3, "--quiet", "train", "--config", config, *arguments, words="none")


def test_the_required_options_are_required(config: Path) -> None:
    assert run("train", "--config", config).exit_code == 2
