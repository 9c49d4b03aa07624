"""``cpabmm preprocess videos``."""

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.raw_videos import across, wandering, write_frames
from _helpers.training_runs import PATIENCE, wait_until

from cpabmm_core.data import preprocess
from cpabmm_core.data.preprocess.raw.assemble import VideoSummary
from cpabmm_core.data.preprocess.raw.rules import rules_for
from cpabmm_core.data.preprocess.raw.settings import ClipSettings
from cpabmm_core.data.preprocess.shard import Shard

COMMAND = ("preprocess", "videos")
SMALL = ("--subject", "none", "--scenes", "none", "--min-frames", 4, "--min-size", 64, "--size", 64)
MANY = 8


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    first = write_frames(folder / "00.mp4", wandering(across(12))).read_bytes()
    for k in range(1, MANY):
        (folder / f"{k:02}.mp4").write_bytes(first)
    return folder


def test_the_command_prints_the_folder_and_a_summary(raw: Path, tmp_path: Path) -> None:
    result = run(*COMMAND, raw / "00.mp4", "-o", tmp_path / "set", *SMALL, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'set'}\n"
    assert result.stderr == "1 clips of 1 identities, 0 min 0 s, from 1 videos\n"
    assert [path.name for path in (tmp_path / "set/train").iterdir()] == ["00#00#000000#000012.mp4"]


def test_json_describes_the_result(raw: Path, tmp_path: Path) -> None:
    options = (*SMALL, "--max-frames", 5, "--workers", 1)
    found = document_of(*COMMAND, raw / "03.mp4", "-o", tmp_path / "set", *options)
    assert found == {
        "videos": 1,
        "unreadable": 0,
        "waiting": 0,
        "clips": 2,
        "identities": 1,
        "seconds": 0.4,
        "dropped": {"too few frames": 1},
        "output": str(tmp_path / "set"),
    }


def test_every_option_reaches_the_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def instead(*arguments: object, **options: object) -> VideoSummary:
        calls.append((arguments, options))
        return VideoSummary(0, 0, 0, 0, 0, 0.0, {})

    monkeypatch.setattr(preprocess, "preprocess_videos", instead)
    numbers = {"--min-frames": 10, "--max-frames": 20, "--min-size": 30, "--margin": 0.4}
    more = {"--subject": "bodies", "--size": 64, "--format": "png", "--scenes": "none"}
    rest = {"--test-share": 0.5, "--workers": 3, "--shard": "2/7", "--device": "cpu"}
    options = [word for pair in (numbers | more | rest).items() for word in pair]
    output_of(*COMMAND, "raw", "-o", tmp_path, *options)
    ((arguments, given),) = calls
    rules = rules_for("bodies", min_frames=10, max_frames=20, min_size=30, margin=0.4)
    settings = ClipSettings("bodies", rules, 64, "png", "none", 0.5)
    assert arguments == (Path("raw"), tmp_path, settings)
    assert (given["workers"], given["shard"]) == (3, Shard(2, 7))
    assert getattr(given["request"], "device", None) == "cpu"


def test_a_broken_video_is_one_line_and_exit_code_1(raw: Path, tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / f"{k}.mp4").write_bytes((raw / "00.mp4").read_bytes())
    (tmp_path / "1.mp4").write_bytes(b"nothing")
    result = run(*COMMAND, tmp_path, "-o", tmp_path / "set", *SMALL, "--workers", 2)
    assert result.exit_code == 1
    first, *_ = result.stderr.splitlines()
    assert first.startswith(f"error: {tmp_path / '1.mp4'}: ")
    assert result.stderr.count("error") == 1
    assert len(list((tmp_path / "set").glob("t*/*.mp4"))) == 2


@pytest.mark.slow
def test_a_killed_run_is_continued(tmp_path: Path) -> None:
    """After two kills with two processes each, no clip is lost or incomplete."""
    output, count = tmp_path / "set", 24
    (tmp_path / "raw").mkdir()
    film = write_frames(tmp_path / "film.mp4", wandering(across(150))).read_bytes()
    for k in range(count):
        (tmp_path / "raw" / f"{k}.mp4").write_bytes(film)
    command = [str(word) for word in (*COMMAND, tmp_path / "raw", *SMALL)]
    records = output / "work" / "records"
    for least in (1, 6):
        words = [*command, "--workers", "2", "-o", str(output)]
        begun = subprocess.Popen([sys.executable, "-m", "cpabmm_cli", *words])
        wait_until(partial(has_records, records, least))
        begun.send_signal(signal.SIGKILL)
        assert begun.wait(PATIENCE) == -signal.SIGKILL  # the run had not ended before the signal
    done = {path.name: path.read_bytes() for path in records.glob("[!.]*.json")}
    assert 6 <= len(done) < count
    output_of(*command, "-o", output, "--workers", 1)
    output_of(*command, "-o", tmp_path / "whole", "--workers", 1)
    for name in ("manifest.jsonl", "contact-sheet.png"):
        assert (output / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    clips = [
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("t*/*.mp4")}
        for name in ("set", "whole")
    ]
    assert clips[0] == clips[1]
    assert len(clips[0]) == count
    assert done.items() <= {path.name: path.read_bytes() for path in records.iterdir()}.items()


def has_records(folder: Path, least: int) -> bool:
    return len(list(folder.glob("[!.]*.json"))) >= least


def test_shards_merge_on_the_command_line(raw: Path, tmp_path: Path) -> None:
    options = ("-o", tmp_path / "set", *SMALL, "--workers", 1)
    first = run(*COMMAND, raw, *options, "--shard", "1/2")
    assert "waiting for other shards: " in first.stderr
    assert not (tmp_path / "set/manifest.jsonl").exists()
    second = document_of(*COMMAND, raw, *options, "--shard", "2/2")
    assert (second["videos"], second["waiting"], second["clips"]) == (MANY, 0, MANY)
    lines = (tmp_path / "set/manifest.jsonl").read_text().splitlines()
    assert len([line for line in lines if json.loads(line).get("clip")]) == MANY


def test_a_missing_package_is_an_error_with_a_cure(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    assert_fails(4, *COMMAND, raw, "-o", tmp_path / "set", words="pip install 'cpabmm[scenes]', or")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--subject", "cats"), "choose one of faces"),
        (("--shard", "3/2"), "expected I/N"),
        (("--min-frames", 30, "--max-frames", 20), "min_frames 30, max_frames 20"),
    ],
)
def test_invalid_usage_exits_with_2(
    raw: Path, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    result = run(*COMMAND, raw, "-o", tmp_path / "set", "--scenes", "none", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert not (tmp_path / "set").exists()


def test_mp4_needs_an_even_side(raw: Path, tmp_path: Path) -> None:
    options = ("-o", tmp_path / "set", "--scenes", "none", "--size", 33)
    assert_fails(4, *COMMAND, raw, *options, words="an even number")


def test_a_missing_input_is_an_error(tmp_path: Path) -> None:
    assert_fails(3, *COMMAND, tmp_path / "none", "-o", tmp_path / "set", words="no such file")
