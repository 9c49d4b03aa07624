"""Errors become one line on stderr and an exit code."""

import errno
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer
from _helpers.command_line import assert_fails
from typer.testing import CliRunner, Result

from cpabmm_cli.app import configure
from cpabmm_cli.failures import explain, with_exit_code
from cpabmm_core import errors

ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, errors.CpabmmError)
    and kind is not errors.TrainingStopped  # its code depends on the signal
]


def app_that_raises(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(configure)

    @app.command("fail")
    @with_exit_code
    def fail() -> None:
        raise error

    return app


def outcome(error: BaseException, *options: str) -> Result:
    return CliRunner().invoke(app_that_raises(error), [*options, "fail"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.MediaError("a.mp4: is empty; fetch it again"), 3),
        (errors.OutputExistsError("a.mp4: already exists"), 3),
        (errors.DataError("a: no such folder"), 3),
        (errors.ConfigError("a.yaml: unknown key"), 4),
        (errors.CheckpointError("a: truncated"), 4),
        (errors.ResourceError("cuda: no such device"), 5),
        (errors.TrainingError("step 7: loss is NaN"), 1),
        (errors.DownloadError("a.pth: HTTP status 404 Not Found"), 1),
        (errors.ShapeError("a: not an array of numbers"), 3),
        (errors.CpabmmError("a"), 1),
    ],
)
def test_every_error_of_the_core_has_its_exit_code(error: Exception, code: int) -> None:
    result = outcome(error)
    assert result.exit_code == code
    assert result.stderr == f"error: {error}\n"
    assert result.stdout == ""


def test_a_reader_that_went_away_is_no_message() -> None:
    result = outcome(errors.OutputClosedError("standard output: nobody reads it any more"))
    assert (result.exit_code, result.stdout, result.stderr) == (141, "", "")


@pytest.mark.parametrize("kind", ERRORS)
def test_docstring_of_every_error_states_its_exit_code(kind: type[errors.CpabmmError]) -> None:
    code, _ = explain(kind("a: trouble"))
    assert f"(exit code {code})" in (kind.__doc__ or "")


@pytest.mark.parametrize("remedy", list(errors.Remedy))
def test_every_remedy_is_raised_by_the_core(remedy: errors.Remedy) -> None:
    modules = Path(errors.__file__).parent.rglob("*.py")
    assert any(f"remedy={remedy}" in module.read_text(encoding="utf-8") for module in modules)


@pytest.mark.parametrize("remedy", list(errors.Remedy))
def test_cures_are_phrased_for_the_command_line(remedy: errors.Remedy) -> None:
    error = errors.OutputExistsError("a.mp4: exists", "pass force=True", remedy=remedy)
    assert str(error) == "a.mp4: exists; pass force=True"
    line = outcome(error).stderr
    assert line.startswith("error: a.mp4: exists; ")
    assert "force=True" not in line


def test_cure_without_a_remedy_is_shown_unchanged() -> None:
    assert outcome(errors.DataError("a.csv: is empty", "export it again")).stderr == (
        "error: a.csv: is empty; export it again\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 5, "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), 5, "--batch-size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: ..."), 5, "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device"), 5, "disk is full"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("two\nlines"), 1, "unexpected ValueError: two lines"),
        (RuntimeError("boom"), 1, "--debug"),
    ],
)
def test_other_errors_have_an_exit_code(error: BaseException, code: int, words: str) -> None:
    result = outcome(error)
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_usage_errors_and_exits_pass_through() -> None:
    assert outcome(typer.BadParameter("no")).exit_code == 2
    assert outcome(typer.Exit(7)).exit_code == 7


def test_debug_shows_the_traceback() -> None:
    result = outcome(errors.DataError("a: wrong"), "--debug")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert "raise error" in result.stderr
    assert result.stderr.endswith("error: a: wrong\n")


def test_quiet_keeps_errors() -> None:
    assert outcome(errors.DataError("a: wrong"), "--quiet").stderr == "error: a: wrong\n"


def test_brackets_are_not_markup() -> None:
    result = outcome(errors.DataError("[bold]a[/].mp4: " + "long " * 60 + "name"))
    assert "[bold]a[/].mp4" in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_color_and_no_terminal_mean_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in outcome(errors.DataError("a: wrong")).stderr


WAITING = """
import signal, sys, time
from pathlib import Path
from cpabmm_cli import app
from cpabmm_core.files.output import atomic_path

# A shell starts background jobs, including this one, with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def animate(source: str) -> None:
    with atomic_path(source, force=False) as temporary:
        temporary.write_text("half")
        Path(source + ".ready").touch()
        time.sleep(30)

app.app.command("wait")(app.with_exit_code(animate))
app.main()
"""


@pytest.mark.parametrize(("signal_name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_interrupted_run_leaves_no_file(tmp_path: Path, signal_name: str, code: int) -> None:
    import signal

    output, ready = tmp_path / "out.mp4", tmp_path / "out.mp4.ready"
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "wait", str(output)], stderr=subprocess.PIPE, text=True
    )
    wait_for(ready.exists)
    process.send_signal(getattr(signal, signal_name))
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == [ready]


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_unknown_device_number_is_a_resource_error(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    from _helpers.media_files import write_test_video

    video = write_test_video(tmp_path / "a.mp4", frames=2)
    output = tmp_path / "o.mp4"
    assert_fails(5, "animate", video, video, "-o", output, "-c", checkpoint, "--device", "cuda:9")
    assert not output.exists()


def test_signal_during_exit_prints_nothing() -> None:
    """One of several processes may receive a signal while it exits."""
    code = (
        "import atexit, os, signal, sys; from cpabmm_cli import app\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))\n"
        "sys.argv[1:] = ['--version']; app.main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("cpabmm ")
    assert result.stderr == ""
