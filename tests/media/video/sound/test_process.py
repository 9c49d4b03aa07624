"""The process that encodes sound: what it survives, and that nothing of it remains."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
from _helpers.listening import listen, sound_codec, write_with_sound
from _helpers.odd_files.sound import FLASH, make_film_order, write_video

from cpabmm_core.media.video.sound import SoundReport, process

ROOT = Path(__file__).parents[4]
CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
CALL = (
    "from _helpers.listening import write_with_sound\n"
    "[report] = write_with_sound(Path('a.mkv'), Path('o.mp4'))\n"
    "assert report.outcome == 'encoded', report\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a.mkv, whose sound MP4 cannot hold, and temporary files in tmp."""
    write_video(tmp_path / "a.mkv", "pcm_s16le", container="matroska")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield tmp_path
    assert list(temporary.iterdir()) == []
    assert not [child for child in psutil.Process().children() if "-P" in child.cmdline()]


def write(folder: Path) -> SoundReport:
    """Write o.mp4 and check that the picture is complete, and that no other file appears."""
    [report] = write_with_sound(folder / "a.mkv", folder / "o.mp4")
    assert {path.name for path in folder.iterdir()} == {"a.mkv", "o.mp4", "tmp"}
    return report


def test_sound_that_needs_no_decoding_starts_no_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", fail)
    write_video(folder / "a.mkv", "aac", container="matroska")
    assert write(folder) == SoundReport("copied")


@pytest.mark.parametrize(
    "code", [CRASH, "import os; os.kill(os.getpid(), 9)", "raise SystemExit(7)"]
)
def test_a_crash_loses_only_the_sound(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(process, "_START", code)
    path = folder / "a.mkv"
    assert write(folder) == SoundReport(
        "left out", f"{path}: its sound is left out (its decoder crashed)"
    )
    assert sound_codec(folder / "o.mp4") is None


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        "while True: pass",
    ],
)
def test_a_hang_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(process, "_START", code)
    monkeypatch.setattr(process, "_PATIENCE", 0.4)
    monkeypatch.setattr(process, "_INTERVAL", 0.1)
    started = time.monotonic()
    assert "(its decoder is stuck)" in str(write(folder).problem)
    assert time.monotonic() - started < 30


def test_a_process_that_progresses_is_not_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "import sys, time\nfor _ in range(12): time.sleep(0.2); print('.', flush=True)\n"
    monkeypatch.setattr(process, "_START", slow + process._START)
    monkeypatch.setattr(process, "_PATIENCE", 1.5)
    monkeypatch.setattr(process, "_INTERVAL", 0.1)
    assert write(folder) == SoundReport("encoded")


def test_output_of_other_code_in_the_process_does_no_harm(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = "import sys; print('noise', flush=True); print('{}', file=sys.stderr); "
    monkeypatch.setattr(process, "_START", noise + process._START)
    assert write(folder) == SoundReport("encoded")
    assert listen(folder / "o.mp4").click == pytest.approx(FLASH, abs=0.04)


@pytest.mark.parametrize("answer", ["", "{", "[1]", '{"start": null}', "\\xff"])
def test_an_unintelligible_answer_loses_only_the_sound(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(process, "_START", f"import sys; sys.stderr.write('{answer}')")
    assert write(folder).outcome == "left out"


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_without_an_interpreter_the_sound_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    assert write(folder).outcome == "left out"


def test_a_frozen_program_does_not_start_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "no Python interpreter" in str(write(folder).problem)


def test_modules_in_the_current_folder_are_not_imported(folder: Path) -> None:
    for name in ("json", "av", "resource"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')\n")
    [report] = write_with_sound(folder / "a.mkv", folder / "o.mp4")
    assert report == SoundReport("encoded")


def run(folder: Path, *arguments: str) -> None:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(folder / "tmp")}
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)


def test_it_works_from_a_command_and_from_a_script_without_a_guard(folder: Path) -> None:
    code = f"from pathlib import Path\n{CALL}"
    run(folder, "-c", code)
    (folder / "script.py").write_text(f"open('count', 'a').write('x')\n{code}")
    run(folder, "script.py")
    assert (folder / "count").read_text() == "x"  # the child did not run the script again


def test_it_finds_the_package_by_the_import_path_of_its_parent(folder: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        f"from pathlib import Path\n{CALL}"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["TMPDIR"] = str(folder / "tmp")
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)


def test_it_works_in_a_worker_that_may_have_no_children(folder: Path) -> None:
    files = (folder / "a.mkv", folder / "o.mp4")
    worker = get_context("spawn").Process(target=write_with_sound, args=files, daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert sound_codec(folder / "o.mp4") == "aac"


def test_a_crash_of_the_decoder_leaves_no_core_file(folder: Path) -> None:
    code = (
        "import json, sys; job = json.loads(sys.stdin.readline())\n"
        "sys.path[:] = job.pop('import')\n"
        "from cpabmm_core.media.video.sound import child\n"
        "child._end_with_parent()\n"
        "import resource; assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
        f"{CRASH}\n"
    )
    started = process._START
    process._START = code
    try:
        assert "(its decoder crashed)" in str(write(folder).problem)
    finally:
        process._START = started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_remains_when_the_parent_is_killed(folder: Path, number: signal.Signals) -> None:
    code = (
        "from pathlib import Path\n"
        "from cpabmm_core.media.video.sound import process\n"
        "process._START = process._START.replace('main(**job)', "
        '\'child = __import__(main.__module__, fromlist=["a"]); child._encode = '
        'lambda *_: __import__("time").sleep(60); main(**job)\')\n'
        f"{CALL}"
    )
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(folder / "tmp")}
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment) as parent:
        child = wait_for_child(parent.pid)
        time.sleep(1.0)  # it is decoding
        assert child.is_running()
        parent.send_signal(number)
        parent.wait(10)
    child.wait(10)
    (folder / "o.mp4").unlink(missing_ok=True)


def wait_for_child(parent: int) -> psutil.Process:
    for _ in range(300):
        for child in psutil.Process(parent).children():
            if "-P" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("no child was started")


def test_many_at_once_do_not_disturb_each_other(folder: Path) -> None:
    make_film_order(folder / "b.mov")
    with (
        process.encoded_sound(folder / "b.mov", 1, "aac") as first,
        process.encoded_sound(folder / "a.mkv", 1, "libopus") as second,
    ):
        assert first.file.read(8) != b""
        assert second.file.read(8) != b""
        assert first.start == second.start == 0
    (folder / "b.mov").unlink()
