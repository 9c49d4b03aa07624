"""``cpabmm preprocess taichi|vox|ted|mgif``."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.fake_downloader import calls, install_fake_downloader
from _helpers.media_files import number_of, write_test_video
from _helpers.training_runs import PATIENCE, wait_until
from PIL import Image

from cpabmm_core.media.clips import open_clip

HEADER = "video_id,start,end,bbox,fps,width,height,partition"
TAICHI = f"""{HEADER}
AAAAAAAAAAA,2,8,0-0-64-48,29.97,64,48,train
-BBBBBBBBBB,0,5,8-0-56-48,25.0,64,48,test
"""


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Create a folder with the table and an empty folder for its videos."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "taichi.csv").write_text(TAICHI)
    return tmp_path


def words(folder: Path, data_set: str = "taichi") -> list[object]:
    table = folder / f"{data_set}.csv"
    paths = ("--metadata", table, "--videos", folder / "videos", "-o", folder / "set")
    return ["preprocess", data_set, *paths, "--workers", 1]


def numbers(clip: Path) -> list[int]:
    opened = open_clip(clip)
    return [number_of(image) for image in opened.read(range(len(opened)))]


def records(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "set" / "manifest.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_taichi_is_cut_as_its_table_specifies(given: Path) -> None:
    for name in ("AAAAAAAAAAA", "-BBBBBBBBBB"):
        write_test_video(given / "videos" / f"{name}.mp4", frames=12)
    assert output_of(*words(given)) == f"{given / 'set'}\n"
    train = given / "set" / "train" / "AAAAAAAAAAA#000002#000008.mp4"
    test = given / "set" / "test" / "-BBBBBBBBBB#000000#000005.mp4"
    assert numbers(train) == [2, 3, 4, 5, 6]  # from 1.67 to 6.67
    assert len(open_clip(test)) == 5
    assert open_clip(train).read([0])[0].shape == (256, 256, 3)
    document = document_of(*words(given))
    assert document == {
        "made": 0,
        "kept": 2,
        "short": 0,
        "left_out": 0,
        "output": str(given / "set"),
    }


def test_vox_and_ted_are_cut(given: Path) -> None:
    write_test_video(given / "videos" / "A.mp4", frames=40)
    vox = f"{HEADER},person_id\nA,3,9,0-0-64-48,25,64,48,train,id00001\n"
    (given / "vox.csv").write_text(vox)
    output_of(*words(given, "vox"), "--size", 64, "--format", "png")
    assert numbers(given / "set" / "train" / "id00001#A#000003#000009") == list(range(3, 9))
    (given / "ted.csv").write_text(f"{HEADER}\nA#000010#000020,0,0,0-0-64-48,10.0,64,48,test\n")
    ted = ["talks" if each == given / "set" else each for each in words(given, "ted")]
    ted[ted.index("talks")] = given / "talks"
    output_of(*ted)
    clip = given / "talks" / "test" / "000020#000010#A#000000#000000.mp4"
    assert numbers(clip) == list(range(10, 20))
    assert open_clip(clip).read([0])[0].shape == (384, 384, 3)


def test_missing_videos_are_one_line_and_exit_code_1(given: Path) -> None:
    write_test_video(given / "videos" / "-BBBBBBBBBB.mp4", frames=5)
    result = run(*words(given))
    assert result.exit_code == 1
    assert result.stdout == f"{given / 'set'}\n"
    errors, summary = result.stderr.splitlines()
    assert errors == (
        f"error: {given / 'videos'}: 1 of 2 videos are missing: AAAAAAAAAAA; "
        "add them as VIDEO_ID.mp4, or use --download"
    )
    assert summary == (
        f"1 clips cut, 1 missing; see {given / 'set' / 'manifest.jsonl'} for reasons"
    )
    assert len(list((given / "set").rglob("*.mp4"))) == 1


def test_invalid_tables_folders_and_shards(given: Path) -> None:
    wrong = run(*words(given), "--shard", "3/2")
    assert wrong.exit_code == 2
    assert "expected I/N" in wrong.stderr
    assert_fails(4, *words(given), "--size", 63, words="an even number")
    (given / "taichi.csv").write_text("<html>")
    assert_fails(3, *words(given), words="is a web page")
    (given / "taichi.csv").write_text(TAICHI)
    (given / "videos").rmdir()
    assert_fails(3, *words(given), words="no such folder")
    assert not (given / "set").exists()


def test_a_shard_processes_only_its_videos(given: Path) -> None:
    for name in ("AAAAAAAAAAA", "-BBBBBBBBBB"):
        write_test_video(given / "videos" / f"{name}.mp4", frames=12)
    made = [document_of(*words(given), "--shard", f"{k}/5")["made"] for k in range(1, 6)]
    assert sum(made) == 2
    assert document_of(*words(given))["kept"] == 2
    assert len(records(given)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="the replacement is a shell script")
def test_missing_videos_are_downloaded_and_unavailable_ones_reported(
    given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_fake_downloader(given / "bin")
    monkeypatch.setenv("PATH", str(given / "bin"))
    write_test_video(given / "bin" / "online" / "-BBBBBBBBBB.mp4", frames=5)
    (given / "videos").rmdir()
    result = run(*words(given), "--download")
    assert result.exit_code == 1
    first, second, _ = result.stderr.splitlines()
    assert first.startswith("error: AAAAAAAAAAA: yt-dlp: ERROR: [youtube] AAAAAAAAAAA: Video unav")
    assert "1 of 2 videos are missing: AAAAAAAAAAA;" in second
    assert len(calls(given / "bin")) == 2
    run(*words(given), "--download")  # requests only the missing video
    assert [call[-1][-11:] for call in calls(given / "bin")[2:]] == ["AAAAAAAAAAA"]


def test_nothing_is_downloaded_by_default(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake_downloader(given / "bin")
    monkeypatch.setenv("PATH", str(given / "bin"))
    assert run(*words(given)).exit_code == 1
    assert calls(given / "bin") == []


def test_download_needs_yt_dlp(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(given))
    assert_fails(4, *words(given), "--download", words="pip install yt-dlp")
    assert not (given / "set").exists()


def test_a_killed_run_is_continued_to_the_same_manifest(given: Path) -> None:
    lines = [HEADER]
    for k in range(6):
        write_test_video(given / "videos" / f"V{k}.mp4", frames=60)
        lines += [f"V{k},{s},{s + 20},0-0-64-48,25,64,48,train" for s in (0, 20, 40)]
    (given / "taichi.csv").write_text("\n".join(lines) + "\n")
    unbroken = [given / "unbroken" if each == given / "set" else each for each in words(given)]
    output_of(*unbroken)
    command = [sys.executable, "-m", "cpabmm_cli", *map(str, words(given))]
    begun = subprocess.Popen(command, stderr=subprocess.PIPE)
    wait_until(lambda: len(list((given / "set" / "train").glob("*.mp4"))) >= 2)
    begun.send_signal(signal.SIGKILL)
    begun.communicate(timeout=PATIENCE)
    there = {path: path.stat().st_mtime_ns for path in (given / "set" / "train").glob("*.mp4")}
    document = document_of(*words(given))
    assert document["made"] + document["kept"] == 18
    assert len(there) - 1 <= document["kept"] <= len(there)
    kept = [path for path, stamp in there.items() if path.stat().st_mtime_ns == stamp]
    assert len(kept) == document["kept"]
    for path in (given / "unbroken").rglob("*.*"):
        twin = given / "set" / path.relative_to(given / "unbroken")
        assert twin.read_bytes() == path.read_bytes()
    assert not list((given / "set").glob(".unfinished*"))


def test_gifs_are_converted(tmp_path: Path) -> None:
    (tmp_path / "gifs").mkdir()
    for name in "abcde":
        frames = [Image.new("RGB", (10, 6), (20 * k, 0, 90)) for k in range(3)]
        path = tmp_path / "gifs" / f"{name}.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    command = ("preprocess", "mgif", tmp_path / "gifs", "-o", tmp_path / "set", "--workers", 1)
    assert document_of(*command, "--test-share", "0.4") == {
        "train": 3,
        "test": 2,
        "left_out": 0,
        "output": str(tmp_path / "set"),
    }
    clips = [path for path in (tmp_path / "set").glob("*/*") if path.is_dir()]
    assert {path.name for path in clips} == set("abcde")
    assert open_clip(clips[0]).read([2])[0].shape == (256, 256, 3)
    (tmp_path / "gifs" / "b.gif").write_text("no GIF")
    result = run(*command, "--force")
    assert result.exit_code == 1
    assert f"{tmp_path / 'gifs' / 'b.gif'}: is a text file" in result.stderr
