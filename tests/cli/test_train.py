import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.command_line import (
    assert_fails,
    assert_leaves_no_file,
    document_of,
    output_of,
    run,
)
from _helpers.media_files import write_test_video
from _helpers.published_model import write_narrow_model
from _helpers.tiny_model import tiny_config, tiny_model
from huggingface_hub import constants
from typer.testing import Result

from cpabmm_cli.commands import train as command
from cpabmm_cli.console import terminal
from cpabmm_cli.training_progress import TrainingProgress
from cpabmm_core import training
from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.config import dump_config
from cpabmm_core.media.image import write_image
from cpabmm_core.training import TrainingRun

SMALL = (
    *("--set", "training.batch_size=2", "--set", "losses.reconstruction_kind=pixel"),
    *("--device", "cpu"),
)


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


Calls = list[tuple[tuple[object, ...], dict[str, Any]]]


def spy_on(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, result: object) -> Calls:
    """Replace a function of the core by one that records its calls and returns the result."""
    calls: Calls = []

    def spy(*arguments: object, **options: object) -> object:
        calls.append((arguments, options))
        return result

    monkeypatch.setattr(module, name, spy)
    return calls


def test_every_option_reaches_the_core(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_folder = tmp_path / "run"
    calls = spy_on(monkeypatch, training, "train", run_folder / "model.safetensors")
    seeds: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    folders = ("--data", tmp_path / "data", "--out", run_folder)
    options = ("--resume", "auto", "--steps", 9, "--device", "cpu", "--init-from", "puppets")
    changes = ("--set", "training.batch_size=3", "--set", "training.seed=5")
    printed = output_of("train", "--config", config, *folders, *options, *changes, "--offline")
    assert printed == f"{run_folder / 'model.safetensors'}\n"
    (((given,), _),) = calls
    assert seeds == [5]
    assert isinstance(given, TrainingRun)
    assert isinstance(given.reporter, TrainingProgress)
    assert given.stop() is None
    assert given == TrainingRun(
        tiny_config(**{"training.batch_size": 3, "training.seed": 5}),
        tmp_path / "data",
        run_folder,
        resume="auto",
        steps=9,
        device="cpu",
        init_from="puppets",
        allow_download=False,
        stop=given.stop,
        reporter=given.reporter,
    )


def test_defaults_of_the_options(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spy_on(monkeypatch, training, "train", tmp_path / "model.safetensors")
    folders = ("--data", tmp_path / "data", "--out", tmp_path / "run")
    document = document_of("train", "--config", config, *folders)
    assert document == {"checkpoint": str(tmp_path / "model.safetensors")}
    (((given,), _),) = calls
    assert isinstance(given, TrainingRun)
    default = TrainingRun(tiny_config(), tmp_path / "data", tmp_path / "run")
    assert replace(given, stop=default.stop, reporter=default.reporter) == default


def test_info_reads_the_checkpoint_of_a_run(tmp_path: Path, config: Path, data: Path) -> None:
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


def test_wrong_configuration_is_one_line_before_any_work(tmp_path: Path, config: Path) -> None:
    folders = ("--data", tmp_path / "none", "--out", tmp_path / "run")
    assert_fails(4, "train", "--config", "no-such", *folders, words="no-such")
    assert_fails(4, "train", "--config", "taichi256", *folders, words="did you mean taichi-256")
    for change, words in (
        ("training.batchsize=2", "training.batchsize; did you mean batch_size?"),
        ("training.batch_size=none", "training.batch_size: "),
        ("training", "expected key=value"),
        ("losses.sam.image_size=1000", "losses.sam.image_size: "),
    ):
        assert_fails(4, "train", "--config", config, *folders, "--set", change, words=words)
    assert not (tmp_path / "run").exists()


def test_missing_data_set_is_one_line(tmp_path: Path, config: Path) -> None:
    arguments = ("--data", tmp_path / "none", "--out", tmp_path / "run", *SMALL)
    assert_fails(3, "--quiet", "train", "--config", config, *arguments, words="none")


def test_required_options_are_required(config: Path) -> None:
    assert run("train", "--config", config).exit_code == 2


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            "losses.semantic=1",
            (
                "sam_vit_b_01ec64.pth",
                "375 MB",
                "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth",
                "losses.sam.weights",
                "losses.semantic=0",
            ),
        ),
        (
            "losses.structure=0.1",
            (
                "vit_base_patch8_224.dino",
                "343 MB",
                "/timm/vit_base_patch8_224.dino/resolve/main/model.safetensors",
                "losses.dino.weights",
                "losses.structure=0",
            ),
        ),
        (
            "losses.reconstruction_kind=perceptual",
            (
                "vgg19-dcbb9e9d.pth",
                "575 MB",
                "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
                "losses.perceptual.weights",
                "losses.reconstruction_kind=pixel",
            ),
        ),
    ],
    ids=["semantic", "structure", "perceptual"],
)
def test_offline_names_missing_weights_before_it_reads_data(
    setting: str,
    words: tuple[str, ...],
    tmp_path: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    options = ("--data", tmp_path / "none", "--out", tmp_path / "run", "--device", "cpu")
    pixels = ("--set", "losses.reconstruction_kind=pixel", "--set", setting)
    for stage in ((), ("--dry-run",)):
        for word in words:
            assert_fails(
                4,
                *("--quiet", "train", "--config", config, *options, *pixels, "--offline", *stage),
                words=word,
            )
    assert not (tmp_path / "run").exists()


def test_init_from_initialises_the_weights(
    tmp_path: Path, config: Path, data: Path, checkpoint: Path
) -> None:
    """A step with a tiny learning rate hardly changes them."""
    result = run(
        *("train", "--config", config, "--data", data, "--out", tmp_path / "run", "--steps", 1),
        *(*SMALL, "--set", "training.learning_rate=1e-12", "--init-from", checkpoint),
    )
    assert result.exit_code == 0, result.output
    trained = load_checkpoint(tmp_path / "run" / "model.safetensors").model.state_dict()
    count = len(trained)
    assert f"{checkpoint}: initialised {count} of {count} tensors\n" in result.stderr
    for name, tensor in load_checkpoint(checkpoint).model.named_parameters():
        torch.testing.assert_close(trained[name], tensor, rtol=0, atol=1e-9)


def test_tensors_without_a_match_are_listed(
    tmp_path: Path, config: Path, data: Path, checkpoint: Path
) -> None:
    result = run(
        *("train", "--config", config, "--data", data, "--out", tmp_path / "run", "--steps", 1),
        *(*SMALL, "--set", "model.background=null", "--init-from", checkpoint),
        *("--set", "model.dense_motion.block_expansion=8"),
    )
    assert result.exit_code == 0, result.output
    left, unused = (
        next(line for line in result.stderr.splitlines() if line.startswith(words))
        for words in ("initialised at random (another shape): ", "unused (not in this model): ")
    )
    assert "dense_motion.contribution_head.weight" in left
    assert "generator" not in left
    assert "background_predictor (" in unused


def test_unknown_initial_checkpoint_is_one_line(tmp_path: Path, config: Path, data: Path) -> None:
    folders = ("--data", data, "--out", tmp_path / "run")
    command = ("--quiet", "train", "--config", config, *folders, *SMALL, "--init-from")
    assert_fails(4, *command, tmp_path / "none.pth.tar", words="none.pth.tar: no such file")
    assert_fails(4, *command, "pupets", words="did you mean puppets")
    published = write_narrow_model(tmp_path / "narrow.pth.tar")
    assert_fails(4, *command, published, words="no tensor matches this model")
    (tmp_path / "page.pth.tar").write_text("<!DOCTYPE html>")
    assert_fails(4, *command, tmp_path / "page.pth.tar", words="is a web page")
    assert not (tmp_path / "run").exists()


def test_dry_run_prints_the_plan_and_writes_nothing(
    tmp_path: Path, config: Path, data: Path
) -> None:
    options = ("--data", data, "--out", tmp_path / "run", *SMALL, "--dry-run")
    changes = ("--set", "data.repeats=5", "--set", "training.epochs=3")

    def dry_runs() -> None:
        printed = output_of("train", "--config", config, *options, *changes)
        assert "2 clips of 2 identities, 6 test pairs, on cpu\n" in printed
        assert "15 steps (5 per epoch)" in printed

        plan = document_of("train", "--config", config, *options, *changes, "--steps", 7)
        assert (plan["identities"], plan["clips"]) == (2, 2)
        assert (plan["test_pairs"], plan["device"]) == (6, "cpu")
        assert (plan["steps"], plan["steps_per_epoch"], plan["processes"]) == (7, 5, 1)
        trained = sum(p.numel() for p in tiny_model().parameters())
        assert plan["parameters"] == trained
        assert 0 <= plan["data_share"] <= 1
        assert plan["seconds_per_step"] > 0
        assert plan["memory_bytes"] > 4 * trained

    assert_leaves_no_file(tmp_path, dry_runs)


def write_strips(folder: Path, names: Iterable[str]) -> Path:
    """Write clips of two frames of noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        strip = rng.integers(0, 256, (8, 16, 3), dtype=np.uint8)
        write_image(folder / f"{name}.png", strip)
    return folder


@pytest.mark.parametrize(("by_identity", "steps"), [("true", 6), ("false", 12)])
def test_dry_run_counts_identities(
    by_identity: str, steps: int, tmp_path: Path, config: Path
) -> None:
    """4 clips of 2 identities, 6 pairs of each in batches of 2."""
    write_strips(tmp_path / "data" / "train", ["a#0", "a#1", "a#2", "b#0"])
    changes = ("--set", "data.repeats=6", "--set", f"data.identity_sampling={by_identity}")
    options = ("--data", tmp_path / "data", "--out", tmp_path / "run", *SMALL, "--dry-run")
    plan = document_of("train", "--config", config, *options, *changes)
    assert (plan["identities"], plan["clips"], plan["test_pairs"]) == (2, 4, 0)
    assert (plan["steps_per_epoch"], plan["steps"]) == (steps, 100 * steps)


def test_steps_of_a_row_for_the_published_number_of_identities(tmp_path: Path) -> None:
    """TaiChiHD has 252: 150 pairs of each in batches of 8 are 4,725 steps per epoch."""
    names = (f"id{k}#{clip}" for k in range(252) for clip in range(1 + k % 2))
    write_strips(tmp_path / "data" / "train", names)
    narrow = (
        "data.frame_size=32",
        "model.keypoints={backbone: test_efficientnet, groups: 2, points_per_group: 3}",
        "model.background={backbone: test_efficientnet}",
        "model.dense_motion={block_expansion: 4, max_features: 16, blocks: 3}",
        "model.inpainting={block_expansion: 4, max_features: 16, down_blocks: 2}",
        "losses.reconstruction_kind=pixel",
        "training.batch_size=8",
        "training.accumulation=1",
        "training.mixed_precision=no",
    )
    changes = [word for change in narrow for word in ("--set", change)]
    options = ("--data", tmp_path / "data", "--out", tmp_path / "run", "--device", "cpu")
    printed = output_of("train", "--config", "taichi-256-tps", *options, *changes, "--dry-run")
    assert "378 clips of 252 identities, 0 test pairs, on cpu\n" in printed
    assert "472500 steps (4725 per epoch)" in printed


def test_clips_without_train_and_test_are_split(
    tmp_path: Path, config: Path, checkpoint: Path
) -> None:
    """A dry run, a run and its avd stage each report it once, in one line."""
    data = write_strips(tmp_path / "data", ["a#0", "a#1", "b#0", "b#1", "c#0", "c#1"])
    notice = f"{data}: has no train/ and test/; holding out 1 of 3 identities (2 of 6 clips)"
    arguments = ("train", "--config", config, "--data", data, "--out", tmp_path / "run")

    def run_and_find_notice(*more: object) -> Result:
        result = run(*arguments, *SMALL, *more)
        assert result.exit_code == 0, result.output
        assert sum(line.startswith(notice) for line in result.stderr.splitlines()) == 1
        return result

    plan = json.loads(run_and_find_notice("--dry-run", "--json").stdout)
    assert (plan["identities"], plan["clips"], plan["test_pairs"]) == (2, 4, 2)
    run_and_find_notice("--steps", 1)
    (scores,) = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    assert json.loads(scores)["l1"] > 0
    stage = ("--stage", "avd", "--init-from", checkpoint, "--set", "avd.batch_size=4")
    run_and_find_notice(*stage, "--out", tmp_path / "avd", "--steps", 1)


@pytest.mark.parametrize(
    ("names", "share"), [(["a#0", "a#1"], 0.5), (["a", "b"], 0)], ids=["one identity", "no share"]
)
def test_data_without_held_out_clips_is_reported(
    names: list[str], share: float, tmp_path: Path, config: Path
) -> None:
    data = write_strips(tmp_path / "data", names)
    options = ("--data", data, "--out", tmp_path / "run", "--dry-run", "--json")
    result = run("train", "--config", config, *options, *SMALL, "--set", f"data.test_share={share}")
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert (plan["clips"], plan["test_pairs"]) == (2, 0)
    assert result.stderr.count(f"no validation: {data}: the test set is empty") == 1


def test_avd_stage_needs_a_model(
    tmp_path: Path, config: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spy_on(monkeypatch, training, "train_avd", tmp_path / "run" / "model.safetensors")
    folders = ("--data", tmp_path / "data", "--out", tmp_path / "run")
    command = ("train", "--config", config, *folders, "--stage", "avd")
    refused = run(*command)
    assert refused.exit_code == 2
    assert "--init-from" in refused.stderr
    assert run(*command, "--init-from", checkpoint, "--dry-run").exit_code == 2
    assert not calls

    options = ("--init-from", checkpoint, "--resume", "auto", "--steps", 4, "--device", "cpu")
    document = document_of(*command, *options)
    assert document == {"checkpoint": str(tmp_path / "run" / "model.safetensors")}
    (((given,), _),) = calls
    assert isinstance(given, TrainingRun)
    assert given.stop() is None
    assert given == TrainingRun(
        tiny_config(),
        tmp_path / "data",
        tmp_path / "run",
        resume="auto",
        steps=4,
        device="cpu",
        init_from=str(checkpoint),
        stop=given.stop,
        reporter=given.reporter,
    )


def test_avd_stage_adds_a_mode_to_a_model(
    tmp_path: Path, config: Path, data: Path, checkpoint: Path
) -> None:
    command = ("train", "--config", config, "--data", data, "--out", tmp_path / "run")
    stage = ("--stage", "avd", "--init-from", checkpoint, "--steps", 2, "--device", "cpu")
    path = output_of(*command, *stage, "--set", "avd.batch_size=4").strip()
    assert "avd" in document_of("info", path)["modes"]
    assert "avd" not in document_of("info", checkpoint)["modes"]


class Started:
    """Stands in for the launcher and records its arguments."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.asked: list[tuple[Sequence[str], int]] = []

    def __call__(self, arguments: Sequence[str], count: int) -> int:
        self.asked.append((arguments, count))
        return self.code


@pytest.mark.parametrize("code", [0, 3, 143])
def test_several_processes_get_the_same_arguments(
    code: int, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Started(code)
    monkeypatch.setattr(command, "run_processes", started)
    calls = spy_on(monkeypatch, training, "train", tmp_path)
    arguments = [
        *("--quiet", "train", "--config", str(config), "--data", "d", "--out", "o"),
        *("--processes", "2", "--set", "training.seed=5"),
    ]
    monkeypatch.setattr("sys.argv", ["cpabmm", *arguments])
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert started.asked == [(arguments, 2)]
    assert (result.stdout, calls) == ("", [])

    assert run(*arguments, "--set", "training.sed=5").exit_code == 4
    assert len(started.asked) == 1


@pytest.mark.parametrize(("rank", "prints"), [("0", True), ("1", False)])
def test_only_the_main_process_prints(
    rank: str, prints: bool, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr(terminal, "quiet", False)  # restored at the end
    monkeypatch.setattr(command, "run_processes", Started(0))
    calls = spy_on(monkeypatch, training, "train", tmp_path / "model.safetensors")
    folders = ("--data", tmp_path / "data", "--out", tmp_path / "run")
    printed = output_of("train", "--config", config, *folders, "--processes", 2)
    assert printed == (f"{tmp_path / 'model.safetensors'}\n" if prints else "")
    assert len(calls) == 1
    assert terminal.quiet is not prints
