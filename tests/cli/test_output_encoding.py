"""Names that a stream cannot encode, and streams that take nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cpabmm_cli.console import Terminal, as_json

ROOT = Path(__file__).parents[2]
UNDECODABLE = os.fsdecode(b"fits\xff-\xe5\x8a\xa8.json")  # a byte that is no text, and a character
PAIRS = '{"source": [[0.3, 0.3], [0.6, 0.7]], "target": [[0.35, 0.3], [0.6, 0.65]]}'

linux_names = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")


def run_in_process(
    folder: Path, *arguments: str, redirect: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own, with a redirection of the shell."""
    command = f'exec "$0" -m cpabmm_cli "$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )


@linux_names
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_a_name_that_stdout_cannot_encode_does_not_fail_a_finished_run(
    tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "pairs.json").write_text(PAIRS)
    run = run_in_process(
        tmp_path,
        *("fit-cpab", "pairs.json", "-o", UNDECODABLE),
        PYTHONIOENCODING=encoding,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / UNDECODABLE).is_file()
    kept = "动" if encoding == "utf-8" else r"\u52a8"
    assert run.stdout.decode(encoding) == rf"fits\udcff-{kept}.json" + "\n"


@linux_names
def test_an_error_about_such_a_name_is_one_line(tmp_path: Path) -> None:
    run = run_in_process(tmp_path, "fit-cpab", UNDECODABLE, PYTHONIOENCODING="cp1252")
    assert run.returncode == 3
    assert run.stderr.startswith(rb"error: fits\udcff-\u52a8.json: no such file")
    assert run.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_animation_with_names_outside_the_code_page(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "source.png", tmp_path / "动画.png")
    run = run_in_process(
        tmp_path,
        *("animate", "动画.png", "动画.png", "-o", "输出.mp4"),
        PYTHONIOENCODING="cp1252",
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == rb"\u8f93\u51fa.mp4" + os.linesep.encode()
    assert (tmp_path / "输出.mp4").stat().st_size > 1000


@pytest.mark.skipif(sys.platform == "win32", reason="redirections of a POSIX shell")
@pytest.mark.parametrize(
    "redirect", [">&-", "2>&-", ">&- 2>&-", "> >(exec true)", "2> >(exec true)", "2>/dev/full"]
)
def test_a_closed_stream_or_a_reader_that_left_is_no_failure(tmp_path: Path, redirect: str) -> None:
    (tmp_path / "pairs.json").write_text(PAIRS)
    arguments = ("fit-cpab", "pairs.json", "-o", "fits.json")
    run = run_in_process(tmp_path, *arguments, redirect=redirect)
    assert run.returncode == 0, run.stderr
    assert b"Error" not in run.stderr
    assert (tmp_path / "fits.json").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("fit-cpab", "pairs.json"), ("--version",), ("--help",)])
def test_a_result_that_cannot_be_stored_is_a_failure(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "pairs.json").write_text(PAIRS)
    run = run_in_process(tmp_path, *arguments, redirect=">/dev/full")
    assert run.returncode == 5
    assert run.stderr.count(b"\n") == 1
    assert run.stderr.startswith(b"error: ")
    assert b"disk is full" in run.stderr


@pytest.mark.parametrize(
    ("encoding", "name", "escaped"),
    [
        ("utf-8", "snø动", False),
        ("utf-8", "a\udcff.png", True),
        ("cp1252", "snø", False),
        ("cp1252", "动.png", True),
        ("ascii", "snø", True),
    ],
)
def test_json_is_valid_in_every_encoding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str, name: str, escaped: bool
) -> None:
    with (tmp_path / "out").open("w", encoding=encoding) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        Terminal().result(as_json({"name": name}))
        monkeypatch.undo()
    written = (tmp_path / "out").read_bytes()
    assert json.loads(written.decode(encoding)) == {"schema": 1, "name": name}
    assert (rb"\u" in written) is escaped


def test_messages_are_escaped_for_a_strict_stderr(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w", encoding="cp1252", newline="\n") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        terminal = Terminal()
        terminal.say("read 动.png")
        terminal.error("a\udcff.png: no such file")
        terminal.say("read \x1b[2Ja\r.png")
    assert (tmp_path / "log").read_bytes().splitlines() == [
        rb"read \u52a8.png",
        rb"error: a\udcff.png: no such file",
        rb"read \x1b[2Ja\r.png",
    ]
