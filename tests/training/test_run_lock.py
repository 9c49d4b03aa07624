"""Two runs in one folder: the second is refused, and a killed run does not block the next."""

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from _helpers.tiny_model import tiny_config
from _helpers.training_runs import (
    Process,
    begin,
    begin_all,
    command,
    hold_folder_with_child,
    lines,
    wait_for_lines,
)

from cpabmm_core.config import dump_config
from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.avd import train_avd
from cpabmm_core.training.loop import train
from cpabmm_core.training.planning import plan
from cpabmm_core.training.reporting import Silent
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_lock import LOCK_FILE, lock_folder

SETTINGS = {
    "losses.reconstruction_kind": "pixel",
    "data.repeats": 2,
    "model.motion": "tps",
    "training.batch_size": 2,
    "training.log_every": 1,
    "training.checkpoint_every": 2,
    "training.trackers": [],
}
REFUSED = "another run is writing there; wait until it ends, stop it, or choose a new folder"


class Listener(Silent):
    """Records messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=3, test_videos=1, frames=6, size=32, seed=0, format="strip")
    return folder


@pytest.fixture
def arguments(data: Path, tmp_path: Path) -> list[object]:
    """Return the arguments of a training command, except for the number of steps."""
    config = tmp_path / "tiny.yaml"
    config.write_text(dump_config(tiny_config(**SETTINGS)))
    folders = ("--config", config, "--data", data, "--out", tmp_path / "run")
    return ["--quiet", "train", *folders, "--device", "cpu", "--steps"]


@pytest.fixture
def running(arguments: list[object], tmp_path: Path) -> Iterator[Process]:
    """Start a long run and wait for its first steps."""
    process = begin(tmp_path / "first", command, *arguments, 100_000)
    wait_for_lines(tmp_path / "run" / "log.jsonl", 3)
    yield process
    if process.handle.is_alive():
        process.send(signal.SIGKILL)
        process.wait()


def assert_refused(process: Process, out: Path) -> None:
    assert process.wait() == 3
    assert process.stderr == f"error: {out}: {REFUSED}\n"
    assert process.stdout == ""


def test_second_run_is_refused_and_the_first_continues(
    running: Process, arguments: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    fresh = begin(tmp_path / "second", command, *arguments, 5)
    resumed = begin(tmp_path / "third", command, *arguments, 5, "--resume", "auto")
    assert_refused(fresh, out)
    assert_refused(resumed, out)
    done = len(lines(out / "log.jsonl"))
    wait_for_lines(out / "log.jsonl", done + 2)
    running.send(signal.SIGTERM)
    assert running.wait() == 143
    assert [line["step"] for line in lines(out / "log.jsonl")] == list(
        range(1, len(lines(out / "log.jsonl")) + 1)
    )
    assert not (out / LOCK_FILE).exists()


def test_killed_run_leaves_no_lock(
    running: Process, arguments: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    running.send(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert (out / LOCK_FILE).exists()
    steps = len(lines(out / "log.jsonl")) + 2
    again = begin(tmp_path / "again", command, *arguments, steps, "--resume", "auto")
    assert again.wait() == 0, again.stderr
    assert lines(out / "log.jsonl")[-1]["step"] == steps
    assert not (out / LOCK_FILE).exists()


def test_data_worker_that_outlives_its_run_holds_no_lock(tmp_path: Path) -> None:
    run, note = tmp_path / "run", tmp_path / "note"
    process = begin(tmp_path / "words", hold_folder_with_child, run, note)
    wait_for_lines(note, 1)
    with pytest.raises(MediaError, match=REFUSED), lock_folder(run, "cpu", Silent()):
        pass
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    worker = int(note.read_text())
    os.kill(worker, 0)  # it is running
    with lock_folder(run, "cpu", Silent()):
        os.kill(worker, signal.SIGKILL)


def test_two_processes_of_a_second_run_are_both_refused(
    running: Process, arguments: list[object], tmp_path: Path
) -> None:
    both = begin_all(2, tmp_path / "second", command, *arguments, 5, "--resume", "auto")
    for process in both:
        assert process.wait() == 3
        assert process.stderr.endswith(f"error: {tmp_path / 'run'}: {REFUSED}\n")
    together = begin(tmp_path / "third", command, *arguments, 5, "--processes", 2)
    assert_refused(together, tmp_path / "run")
    assert running.handle.is_alive()


def test_both_stages_are_refused_and_a_dry_run_is_not(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = TrainingRun(tiny_config(**SETTINGS), data, out, device="cpu")
    with lock_folder(out, "cpu", Silent()):
        for resume in (None, "auto"):
            with pytest.raises(MediaError, match=f"{out}: {REFUSED}"):
                train(replace(run, resume=resume))
            with pytest.raises(MediaError, match=f"{out}: {REFUSED}"):
                train_avd(replace(run, resume=resume, init_from="puppets"))
        assert plan(run).clips == 3
        assert [path.name for path in out.iterdir()] == [LOCK_FILE]


def test_lock_is_held_in_the_avd_stage(data: Path, tmp_path: Path) -> None:
    refused = []

    def stop() -> None:
        with pytest.raises(MediaError) as error, lock_folder(tmp_path / "run", "cpu", Silent()):
            pass
        refused.append(str(error.value))

    run = TrainingRun(
        tiny_config(),
        data,
        tmp_path / "run",
        steps=1,
        device="cpu",
        init_from="puppets",
        stop=stop,
    )
    train_avd(run)
    assert refused == [f"{tmp_path / 'run'}: {REFUSED}"] * (3 + 1)  # clips and steps


def test_failed_start_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "mine"
    with pytest.raises(DataError):
        train(TrainingRun(tiny_config(**SETTINGS), tmp_path / "nowhere", out, device="cpu"))
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    for name in ("empty", "full"):
        with lock_folder(tmp_path / name, "cpu", Silent()):
            pass
    assert list((tmp_path / "empty").iterdir()) == []
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]


def test_file_instead_of_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with (
            pytest.raises(MediaError, match=f"{out}: cannot be written"),
            lock_folder(out, "cpu", Silent()),
        ):
            pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_run_continues_with_a_message(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have no locks."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    listener = Listener()
    with lock_folder(tmp_path, "cpu", listener):
        pass
    (message,) = listener.messages
    assert message.startswith(f"{tmp_path}: cannot be locked ({os.strerror(code)}); do not")
    assert list(tmp_path.iterdir()) == []
