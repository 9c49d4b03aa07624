"""``cpabmm animate`` in processes of its own: pipes, signals, and several processes at once."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.animation_memory import write_peaks
from _helpers.media_files import packet_times, write_test_video
from _helpers.training_runs import begin, begin_all, command
from PIL import Image

ROOT = Path(__file__).parents[2]
LONG = 400
"""Frames, more than are rendered before a test ends the run."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of its own with a source and a driving video of 7 frames at 29.97 per second."""
    folder = tmp_path / "files"
    folder.mkdir()
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(folder / "s.png")
    write_test_video(folder / "d.mkv", frames=7, rate=Fraction(30000, 1001), audio=True)
    return folder


def arguments(checkpoint: Path, *files: object) -> list[object]:
    return ["animate", *files, "-c", checkpoint, "--device", "cpu", "--precision", "fp32"]


def start(folder: Path, *words: object) -> "subprocess.Popen[bytes]":
    """Start the command in the folder, connected by pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "cpabmm_cli", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_video_goes_through_pipes(folder: Path, checkpoint: Path) -> None:
    """As in ``ffmpeg ... -f matroska - | cpabmm animate s.png - -o - | ffprobe -``."""
    process = start(folder, *arguments(checkpoint, "s.png", "-", "-o", "-"))
    stdout, stderr = process.communicate((folder / "d.mkv").read_bytes(), timeout=120)
    assert process.returncode == 0, stderr
    with av.open(io.BytesIO(stdout), mode="r") as video:
        frames = [(frame.time, frame.width, frame.height) for frame in video.decode(video=0)]
    assert [time for time, *_ in frames] == pytest.approx(
        [float(time) for time in packet_times(folder / "d.mkv")], abs=1e-4
    )
    assert all((width, height) == (40, 40) for _, width, height in frames)
    assert sorted(os.listdir(folder)) == ["d.mkv", "s.png"]


def test_a_reader_that_goes_away_ends_the_run_quietly(folder: Path, checkpoint: Path) -> None:
    """As in ``cpabmm animate ... -o - | head -c 1000``."""
    write_test_video(folder / "long.mp4", frames=LONG)
    process = start(folder, "-q", *arguments(checkpoint, "s.png", "long.mp4", "-o", "-"))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.close()
    assert len(process.stdout.read(1000)) == 1000
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert stderr == b""
    assert sorted(os.listdir(folder)) == ["d.mkv", "long.mp4", "s.png"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_file(
    folder: Path, checkpoint: Path, tmp_path: Path, number: int, code: int
) -> None:
    write_test_video(folder / "long.mp4", frames=LONG)
    before = sorted(os.listdir(folder))
    files = (folder / "s.png", folder / "long.mp4", "-o", folder / "o.mp4")
    process = begin(tmp_path / "words", command, *arguments(checkpoint, *files))
    wait_for_output(folder, before)
    process.send(number)
    assert process.wait() == code, process.stderr
    assert sorted(os.listdir(folder)) == before
    assert process.stdout == ""
    assert "Traceback" not in process.stderr


def test_a_signal_ends_waiting_for_a_pipe(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe")
    files = (folder / "s.png", folder / "pipe", "-o", folder / "o.mp4", "--batch-size", 4)
    process = begin(tmp_path / "words", command, *arguments(checkpoint, *files))
    before = sorted(os.listdir(folder))
    with (folder / "pipe").open("wb") as pipe:
        pipe.write((folder / "d.mkv").read_bytes())
        pipe.flush()
        wait_for_output(folder, before)
        process.send(signal.SIGTERM)
        assert process.wait() == 143, process.stderr
    assert sorted(os.listdir(folder)) == before


def wait_for_output(folder: Path, before: list[str], seconds: float = 60) -> None:
    """Wait until something has been written under a temporary name."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        new = [folder / name for name in os.listdir(folder) if name not in before]
        with suppress(FileNotFoundError):  # a name may go between the listing and the look
            if any(path.stat().st_size for path in new):
                return
        time.sleep(0.02)
    raise AssertionError("nothing was written")


def test_several_processes_share_the_rows_of_a_table(
    folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """Each row is animated once, and all processes end with the same code."""
    rows = [f"s.png,d.mkv,{number}.mp4" for number in range(4)] + ["no.png,d.mkv,5.mp4"]
    table = folder / "pairs.csv"
    table.write_text("\n".join(["source,driving,output", *rows, ""]))
    words = (*arguments(checkpoint, "--batch", table, "-o", folder / "out"), "--json")
    first, second = begin_all(2, tmp_path / "words", command, *words)
    assert (first.wait(), second.wait()) == (1, 1), first.stderr + second.stderr
    shown = [[json.loads(line) for line in each.stdout.splitlines()] for each in (first, second)]
    assert [[row["line"] for row in rows] for rows in shown] == [[2, 4, 6], [3, 5]]
    assert [row["status"] for row in shown[0]] == ["done", "done", "failed"]
    assert sorted(os.listdir(folder / "out")) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert first.stderr.count("1 of 5 rows failed") == 1
    assert "rows failed" not in second.stderr


def test_memory_does_not_grow_with_the_number_of_frames(folder: Path, tmp_path: Path) -> None:
    short = write_test_video(folder / "short.mp4", frames=30)
    long = write_test_video(folder / "long.mp4", frames=300)
    result = tmp_path / "peaks.json"
    process = begin(tmp_path / "words", write_peaks, result, folder / "s.png", short, long)
    assert process.wait() == 0, process.stderr
    first, second = json.loads(result.read_text())
    assert second < 1.1 * first
