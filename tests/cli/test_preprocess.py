"""``cpabmm preprocess puppets``: options, output, and interruption."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from _helpers.command_line import assert_fails, output_of, run
from _helpers.training_runs import PATIENCE, wait_until

from cpabmm_cli.processes import usable_cores
from cpabmm_core import puppets
from cpabmm_core.media.timed_frames import open_frames

# In the background, where these tests may run, Python ignores Ctrl-C.
COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from cpabmm_cli.app import main
main()
"""


def test_the_command_writes_a_data_set_and_prints_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    sizes = ("--videos", 2, "--test-videos", 1, "--frames", 3, "--size", 32)
    assert output_of("preprocess", "puppets", "-o", folder, *sizes) == f"{folder}\n"
    videos = {path.relative_to(folder).as_posix() for path in folder.rglob("*.mp4")}
    assert videos == {"train/00000.mp4", "train/00001.mp4", "test/00000.mp4"}
    frames = list(open_frames(folder / "train" / "00000.mp4"))
    assert [frame.image.shape for frame in frames] == [(32, 32, 3)] * 3
    truth = json.loads((folder / "train" / "00000.json").read_text())
    assert len(truth["joints"]) == 3


def test_every_option_reaches_the_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, dict[str, object]]] = []
    monkeypatch.setattr(
        puppets, "write_puppets", lambda folder, **options: calls.append((folder, options))
    )
    numbers = {"videos": 3, "test_videos": 4, "frames": 5, "size": 48, "seed": 6, "workers": 2}
    options = [word for name, n in numbers.items() for word in (f"--{name.replace('_', '-')}", n)]
    folder = tmp_path / "set"
    output_of("preprocess", "puppets", "-o", folder, *options, "--format", "strip", "--force")
    ((where, given),) = calls
    assert callable(given.pop("progress"))
    assert where == folder
    assert given == {**numbers, "format": "strip", "force": True}


def test_by_default_every_core_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(
        puppets, "write_puppets", lambda _, **options: given.append(options["workers"])
    )
    for usable in ({0, 2, 3}, {1}):
        monkeypatch.delattr(os, "process_cpu_count", raising=False)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, usable=usable: usable, raising=False)
        output_of("preprocess", "puppets", "-o", tmp_path / "set")
    assert given == [3, 1]


def test_usable_cores_without_processor_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
    monkeypatch.setattr(os, "process_cpu_count", lambda: 5, raising=False)
    assert usable_cores() == 5


def test_ctrl_c_leaves_no_file_and_no_process(tmp_path: Path) -> None:
    """A terminal sends the signal to the command and to its worker processes."""
    begun = begin(tmp_path)
    os.killpg(begun.pid, signal.SIGINT)
    assert begun.wait(PATIENCE) == 130
    assert begun.stderr is not None
    assert begun.stderr.read() == b"error: interrupted\n"
    assert list(tmp_path.iterdir()) == []
    wait_until(lambda: renderers(begun) == [])


def test_killed_command_leaves_no_process(tmp_path: Path) -> None:
    begun = begin(tmp_path)
    begun.kill()
    begun.wait(PATIENCE)
    wait_until(lambda: renderers(begun) == [])


def begin(folder: Path) -> "subprocess.Popen[bytes]":
    """Start rendering many videos in two processes, and wait for the first few."""
    sizes = ("--videos", "100000", "--frames", "2", "--size", "32", "--workers", "2")
    command = (sys.executable, "-c", COMMAND, "preprocess", "puppets", "-o", str(folder / "set"))
    begun = subprocess.Popen([*command, *sizes], stderr=subprocess.PIPE, start_new_session=True)
    wait_until(lambda: len(list(folder.rglob("*.json"))) > 4)
    assert len(renderers(begun)) == 2
    return begun


def renderers(begun: "subprocess.Popen[bytes]") -> list[int]:
    """Return the worker processes that are still running in the session of the command."""
    found = []
    for process in psutil.process_iter(["pid", "status", "cmdline"]):
        info = process.info
        if info["status"] == psutil.STATUS_ZOMBIE or "spawn_main" not in str(info["cmdline"]):
            continue
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(info["pid"]) == begun.pid:
                found.append(info["pid"])
    return found


def test_a_folder_that_is_not_empty_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    assert_fails(3, "preprocess", "puppets", "-o", tmp_path, words="--force")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_invalid_usage_exits_with_2(tmp_path: Path) -> None:
    assert run("preprocess").exit_code == 2
    assert run("preprocess", "puppets").exit_code == 2
    assert run("preprocess", "puppets", "-o", tmp_path / "set", "--videos", "0").exit_code == 2
