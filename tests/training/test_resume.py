"""A run that is stopped or killed at any moment resumes as if it had not been interrupted."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.command_line import assert_fails
from _helpers.killed_saves import CALLS, save, save_killed_everywhere
from _helpers.system import limited_file_size
from _helpers.tiny_model import tiny_config, tiny_model
from _helpers.training_runs import (
    Process,
    begin,
    command,
    command_killed_at,
    command_with_long_steps,
    lines,
    wait_for_lines,
)
from torch import nn

from cpabmm_cli.stopping import StopOnSignal
from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.config import dump_config
from cpabmm_core.errors import CheckpointError, MediaError, ResourceError
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.manifest import find_damage
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.state import load_state, resuming

SETTINGS = {
    "losses.reconstruction_kind": "pixel",
    "data.repeats": 2,
    "training.batch_size": 2,
    "training.log_every": 1,
    "training.panel_every": 3,
    "training.checkpoint_every": 2,
    "training.validate_every": 3,
    "training.trackers": [],
    "model.motion": "tps",  # starts faster
}
VARIANTS: dict[str, dict[str, object]] = {
    "plain": {},
    "averaged": {
        "training.ema": 0.9,
        "training.accumulation": 2,
        "losses.adversarial": 1.0,
        "losses.discriminator": {"block_expansion": 4, "max_features": 12, "blocks": 2},
        # Its dropout uses torch's generator, whose state must be restored.
        "model.keypoints.backbone": "repghostnet_050",
    },
}
STEPS = 5


class Runs:
    """Runs of one configuration on one data set."""

    def __init__(self, folder: Path, data: Path, variant: str) -> None:
        self.folder, self.data = folder, data
        self.config = folder / f"{variant}.yaml"
        self.config.write_text(dump_config(tiny_config(**(SETTINGS | VARIANTS[variant]))))

    def arguments(self, out: Path, *more: object, steps: int = STEPS) -> list[object]:
        folders = ("--config", self.config, "--data", self.data, "--out", out)
        return ["--quiet", "train", *folders, "--steps", steps, "--device", "cpu", *more]

    def begin(self, out: Path, *more: object, steps: int = STEPS) -> Process:
        return begin(Path(f"{out}.words"), command, *self.arguments(out, *more, steps=steps))

    def begin_killed_at(self, call: str, number: int, out: Path, *more: object) -> Process:
        arguments = (call, number, *self.arguments(out, *more))
        return begin(Path(f"{out}.words"), command_killed_at, *arguments)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=4, test_videos=1, frames=6, size=32, seed=0, format="strip")
    clips = sorted((folder / "train").glob("*.png"))
    for clip, name in zip(clips, ("a#0", "a#1", "b#0", "c"), strict=True):  # three identities
        clip.rename(clip.with_name(f"{name}.png"))
    return folder


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"), data, "plain")


@pytest.fixture(scope="module")
def whole(runs: Runs) -> Path:
    """Train without interruption."""
    process = runs.begin(runs.folder / "whole")
    assert process.wait() == 0, process.stderr
    return runs.folder / "whole"


def assert_equal(run: Path, whole: Path) -> None:
    """Assert that logs and models are identical."""
    for log in ("log.jsonl", "validation.jsonl"):
        assert lines(run / log) == lines(whole / log)
    for result in ("model.safetensors", "best.safetensors"):
        assert (run / result).read_bytes() == (whole / result).read_bytes(), result


def leftovers(run: Path) -> list[Path]:
    return [path for path in run.rglob(".*") if path.name.startswith(".")]


def begin_and_kill_after_line(count: int, runs: Runs, out: Path) -> None:
    process = runs.begin(out, "--resume", "auto")
    wait_for_lines(out / "log.jsonl", count)
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr


def begin_and_kill_at(call: str, number: int, runs: Runs, out: Path) -> None:
    process = runs.begin_killed_at(call, number, out, "--resume", "auto")
    assert process.wait() == -signal.SIGKILL, process.stderr
    assert leftovers(out)


def assert_resumes_like(whole: Path, runs: Runs, out: Path) -> None:
    process = runs.begin(out, "--resume", "auto")
    assert process.wait() == 0, process.stderr
    assert_equal(out, whole)
    assert not leftovers(out)


def test_run_killed_twice_equals_an_uninterrupted_one(
    runs: Runs, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    begin_and_kill_after_line(1, runs, out)  # there is no state yet
    begin_and_kill_at("rename", 2, runs, out)  # the second state is complete, but not renamed
    assert_resumes_like(whole, runs, out)


def test_run_with_every_kind_of_state_equals_an_uninterrupted_one(
    data: Path, tmp_path: Path
) -> None:
    """Averaged weights, accumulated gradients, a discriminator and dropout."""
    runs, out = Runs(tmp_path, data, "averaged"), tmp_path / "run"
    whole = runs.begin(tmp_path / "whole")
    begin_and_kill_at("fsync", 2, runs, out)  # between the files of the first state
    begin_and_kill_after_line(3, runs, out)
    assert whole.wait() == 0, whole.stderr
    assert_resumes_like(tmp_path / "whole", runs, out)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_saves_and_stops(
    runs: Runs, whole: Path, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "run"
    process = runs.begin(out, steps=200)
    wait_for_lines(out / "log.jsonl", 1)
    process.send(number)
    assert process.wait() == code
    done = len(lines(out / "log.jsonl"))
    message = f"error: stopped after step {done} of 200; continue with --resume auto\n"
    assert process.stderr == message
    assert process.stdout == ""
    assert RunFolder(out).saved_states()[-1].name == f"step-{done:08d}"
    process = runs.begin(out, "--resume", "auto", steps=done + 1)
    assert process.wait() == 0, process.stderr
    log = lines(out / "log.jsonl")
    assert len(log) == done + 1
    assert log[:STEPS] == lines(whole / "log.jsonl")[: done + 1]


def test_second_signal_interrupts_at_once(runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = runs.arguments(out)
    process = begin(tmp_path / "words", command_with_long_steps, tmp_path / "in-step", *arguments)
    wait_for_lines(tmp_path / "in-step", 1)
    process.send(signal.SIGINT)
    wait_for_lines(tmp_path / "in-step", 2)
    process.send(signal.SIGINT)
    assert process.wait() == 130
    assert process.stderr == "error: interrupted\n"
    assert not RunFolder(out).saved_states()


def test_second_signal_has_its_usual_effect() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with StopOnSignal() as stop:
            assert stop() is None
            signal.raise_signal(signal.SIGTERM)
            assert stop() == signal.SIGTERM
            assert came == []
            signal.raise_signal(signal.SIGTERM)
            assert came == [signal.SIGTERM]
        with StopOnSignal():
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_finished_run_does_not_change(runs: Runs, whole: Path, tmp_path: Path) -> None:
    """Nor does it if fewer steps are requested than it took."""
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    (out / "model.safetensors").unlink()  # as if it was killed just before the end
    process = runs.begin(out, "--resume", "auto", steps=STEPS - 2)
    assert process.wait() == 0, process.stderr
    assert_equal(out, whole)


def cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("name", ["model.safetensors", "trainer.pt", "manifest.json"])
def test_truncated_state_is_skipped(whole: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(whole, tmp_path / "run")
    older, newest = RunFolder(tmp_path / "run").saved_states()
    cut_in_half(newest / name)
    start, (note,) = RunFolder(tmp_path / "run").find_state("auto")
    assert start == older
    assert str(newest) in note
    assert name in note
    with pytest.raises(CheckpointError, match=name):
        RunFolder(tmp_path / "run").find_state(str(newest))


@pytest.mark.parametrize("name", ["model.safetensors", "trainer.pt", "manifest.json"])
def test_missing_file_is_damage(whole: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(whole / "states", tmp_path / "states")
    _, newest = RunFolder(tmp_path).saved_states()
    (newest / name).unlink()
    assert name in str(find_damage(newest))


def test_empty_manifest_is_damage(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "states", tmp_path / "states")
    _, newest = RunFolder(tmp_path).saved_states()
    (newest / "manifest.json").write_text("{}")
    assert "manifest.json" in str(find_damage(newest))


def test_run_resumes_from_the_state_before_the_damaged_one(
    runs: Runs, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    older, newest = RunFolder(out).saved_states()
    cut_in_half(newest / "trainer.pt")
    arguments = [word for word in runs.arguments(out, "--resume", "auto") if word != "--quiet"]
    process = begin(tmp_path / "words", command, *arguments)
    assert process.wait() == 0, process.stderr
    assert process.stderr.startswith(f"{newest}: damaged (trainer.pt has ")
    assert_equal(out, whole)
    assert RunFolder(out).saved_states() == [older, newest]
    assert find_damage(newest) is None


def test_nothing_is_deleted_if_all_states_are_damaged(
    runs: Runs, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    for state in RunFolder(out).saved_states():
        cut_in_half(state / "model.safetensors")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    newest = RunFolder(out).saved_states()[-1]
    words = f"every saved state is damaged ({newest}: damaged (model.safetensors has "
    assert_fails(4, *runs.arguments(out, "--resume", "auto"), words=words)
    with pytest.raises(CheckpointError, match=r"bytes\)\); delete them to start again$"):
        RunFolder(out).find_state("auto")
    explicit = RunFolder(out).saved_states()[0]
    assert_fails(4, *runs.arguments(out, "--resume", explicit), words=str(explicit))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_last_states_and_the_best_model_are_kept(whole: Path) -> None:
    assert [state.name for state in RunFolder(whole).saved_states()] == [
        "step-00000004",
        f"step-{STEPS:08d}",
    ]
    found = lines(whole / "validation.jsonl")
    assert [line["step"] for line in found] == [3, STEPS]
    best = min(found, key=lambda line: line["l1"])
    record = load_checkpoint(whole / "best.safetensors").record
    assert (record["step"], record["l1"]) == (best["step"], best["l1"])


def test_rewinding_removes_later_states(tmp_path: Path) -> None:
    """Otherwise the next state would count as older than the leftovers."""
    run = RunFolder(tmp_path)
    for step in (2, 4, 6):
        save(tmp_path, step, keep=3)
        run.append(run.log, {"step": step})
    run.rewind(2)
    assert lines(run.log) == [{"step": 2}]
    newest = save(tmp_path, 3, keep=1)
    assert run.saved_states() == [newest]
    assert run.find_state("auto") == (newest, [])


def test_incomplete_last_line_of_a_log_is_removed(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.append(run.log, {"step": 1})
    run.log.write_text(run.log.read_text() + '{"step": 2, "lo')
    run.rewind(2)
    run.append(run.log, {"step": 2})
    assert lines(run.log) == [{"step": 1}, {"step": 2}]


def test_run_without_log_is_not_overwritten(tmp_path: Path) -> None:
    save(tmp_path, 2)
    with pytest.raises(MediaError, match="already contains a run"):
        RunFolder(tmp_path).find_state(None)


def test_save_killed_at_any_moment_leaves_a_complete_state(tmp_path: Path) -> None:
    process = begin(tmp_path / "words", save_killed_everywhere, tmp_path)
    assert process.wait() == 0, process.stderr
    found = {}
    for folder in sorted(path for path in tmp_path.iterdir() if path.is_dir()):
        run = RunFolder(folder)
        state, notes = run.find_state("auto")
        assert state is not None, folder
        assert notes == [], folder
        step = int(state.name[-8:])
        run.rewind(step)
        assert run.saved_states()[-1] == state
        assert leftovers(folder) == []
        found[folder.name] = step
    # Both outcomes occurred, and every kind of call was tried.
    assert set(found.values()) == {2, 4}
    assert {name.rsplit("-", 1)[0] for name in found} == {"before", *CALLS}
    assert found["rename-1"] == 2
    assert found["rename-2"] == 4  # a save renames once, so it was complete


def test_everything_is_flushed_before_a_state_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    wanted: list[Path] = []
    fsync, rename = os.fsync, os.rename

    def note(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        fsync(handle)

    def look(source: Path, target: Path) -> None:
        logs = [RunFolder(tmp_path).log, RunFolder(tmp_path).validation]
        wanted.extend([source, *source.iterdir(), *logs])
        assert {path.stat().st_ino for path in wanted} <= set(synced)
        rename(source, target)

    RunFolder(tmp_path).append(RunFolder(tmp_path).log, {"step": 2})
    RunFolder(tmp_path).append(RunFolder(tmp_path).validation, {"step": 2})
    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "rename", look)
    save(tmp_path, 2)
    assert len(wanted) == 1 + 4 + 2
    assert synced[-1] == RunFolder(tmp_path).states.stat().st_ino


def test_full_disk_loses_no_state_and_leaves_no_files(tmp_path: Path) -> None:
    older = save(tmp_path, 2)
    for size in (older / "model.safetensors", older / "trainer.pt"):
        room = size.stat().st_size - 1000
        with limited_file_size(room), pytest.raises(ResourceError, match="no space left"):
            save(tmp_path, 4)
        assert RunFolder(tmp_path).find_state("auto") == (older, [])
        assert leftovers(tmp_path) == []


def numpy_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))


def wrong_step(path: Path) -> None:
    torch.save({"step": "2", "optimizer": {}, "scaler": None, "random": [], "best": None}, path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_bytes(b""), "trainer.pt: is empty"),
        (lambda path: path.write_text("<html>"), "trainer.pt: is a web page"),
        (numpy_archive, "trainer.pt: is a NumPy archive"),
        (lambda path: torch.save(torch.ones(2), path), "trainer.pt: holds one tensor"),
        (
            lambda path: torch.save({"weight": torch.ones(2)}, path),
            "trainer.pt: is not the state of a training run (it holds weight); give another state",
        ),
        (wrong_step, "trainer.pt: is not the state of a training run (it holds step, optimizer,"),
        (cut_in_half, "trainer.pt: truncated or damaged ("),
    ],
)
def test_a_file_in_place_of_a_state_is_named(
    tmp_path: Path, write: Callable[[Path], object], words: str
) -> None:
    path = save(tmp_path, 2)
    write(path / "trainer.pt")
    with pytest.raises(CheckpointError) as caught:
        load_state(path, tiny_model(), None)
    assert str(caught.value).startswith(f"{path / words}")
    assert str(caught.value).isprintable()


def test_a_model_in_a_state_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, 2)
    cut_in_half(path / "model.safetensors")
    with pytest.raises(CheckpointError, match="truncated or damaged") as caught:
        load_state(path, tiny_model(), None)
    assert str(caught.value).startswith(f"{path / 'model.safetensors'}: ")


def test_the_state_of_another_model_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, 2)
    other = tiny_model(tiny_config(**{"model.keypoints.groups": 3}))
    with pytest.raises(CheckpointError, match=r"cannot resume from this state .*size mismatch"):
        load_state(path, other, None)
    with (
        pytest.raises(CheckpointError, match=r"cannot resume from this state .*parameter group"),
        resuming(path),
    ):
        torch.optim.Adam(nn.Linear(1, 1).parameters()).load_state_dict(
            load_state(path, tiny_model(), None).optimizer
        )


@pytest.mark.parametrize("text", ["[" * 100_000, '{"\\u001b[31m": [1, 2]}', "3", "\x1b"])
def test_damage_of_a_manifest_is_one_line(tmp_path: Path, text: str) -> None:
    path = save(tmp_path, 2)
    (path / "manifest.json").write_text(text)
    damage = find_damage(path)
    assert damage is not None
    assert damage.isprintable()
    assert len(damage) < 200


def test_state_is_restored(tmp_path: Path) -> None:
    torch.manual_seed(5)
    path = save(tmp_path, 2, model=tiny_model(seed=1))
    expected = torch.rand(3)
    model, average = tiny_model(), tiny_model()
    state = load_state(path, model, average)
    for loaded in (model, average):
        for mine, theirs in zip(loaded.parameters(), tiny_model(seed=1).parameters(), strict=True):
            assert torch.equal(mine, theirs)
    torch.set_rng_state(state.random[0]["cpu"])
    assert torch.equal(torch.rand(3), expected)
