"""``cpabmm animate --batch``: many rows with one model, and no failure stops the others."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from _helpers.command_line import assert_fails, run
from _helpers.media_files import packet_times, write_test_video
from _helpers.tiny_model import tiny_config, tiny_model
from PIL import Image

import cpabmm_core
from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.inference import batch
from cpabmm_core.inference.animation import render_animation

KEYS = {
    "schema", "line", "source", "driving", "output", "status", "error", "frames", "size", "mode",
    "reference_frame", "crop", "driving_crop", "audio", "seconds", "checkpoint",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the pictures a.png and "b $(c).png", and driving videos of 3 and 4 frames."""
    for name, colour in (("a.png", "navy"), ("b $(c).png", "olive")):
        Image.new("RGB", (40, 40), colour).save(tmp_path / name)
    write_test_video(tmp_path / "d.mp4", frames=3)
    write_test_video(tmp_path / "é [1].mp4", frames=4)
    return tmp_path


def table(folder: Path, *rows: str, header: str = "source,driving") -> Path:
    path = folder / "pairs.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def arguments(path: Path, checkpoint: Path, *options: object) -> list[object]:
    where = ("--batch", path, "-o", path.parent / "out", "-c", checkpoint, "--device", "cpu")
    return ["animate", *where, "--precision", "fp32", *options]


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_rows_are_animated_with_one_model(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[object] = []
    load = cpabmm_core.load_model
    monkeypatch.setattr(
        cpabmm_core, "load_model", lambda *a: loads.append(a) or load(*a), raising=False
    )
    path = table(folder, "a.png,d.mp4", 'b $(c).png,"é [1].mp4"', "a.png,é [1].mp4")
    result = run(*arguments(path, checkpoint))
    assert result.exit_code == 0, result.output
    names = ["a--d.mp4", "b $(c)--é [1].mp4", "a--é [1].mp4"]
    assert result.stdout.splitlines() == [str(folder / "out" / name) for name in names]
    assert [len(packet_times(folder / "out" / name)) for name in names] == [3, 4, 4]
    assert len(loads) == 1
    assert sorted(os.listdir(folder / "out")) == sorted(names)


def test_a_failed_row_does_not_stop_the_others(folder: Path, checkpoint: Path) -> None:
    (folder / "broken.mp4").write_bytes((folder / "d.mp4").read_bytes()[:900])
    path = table(
        folder,
        "a.png,broken.mp4,none",
        "missing.png,d.mp4,none",
        'a.png,"é [1].mp4","90,0,5,5"',
        "a.png,d.mp4,none",
        header="source,driving,crop",
    )
    result = run("-q", *arguments(path, checkpoint, "--json"))
    assert result.exit_code == 1
    rows = lines_of(result.stdout)
    assert all(row.keys() == KEYS for row in rows)
    assert [row["status"] for row in rows] == ["failed", "failed", "failed", "done"]
    assert [row["line"] for row in rows] == [2, 3, 4, 5]
    assert [row["frames"] for row in rows] == [None, None, None, 3]
    words = ["broken.mp4", "missing.png: no such file", "outside"]
    for row, word in zip(rows, words, strict=False):
        assert word in row["error"]
    assert rows[-1]["error"] is None
    errors = result.stderr.splitlines()
    assert errors[:3] == [f"error: {path}: line {row['line']}: {row['error']}" for row in rows[:3]]
    assert errors[3:] == [f"error: {path}: 3 of 4 rows failed"]
    assert os.listdir(folder / "out") == ["a--d.mp4"]


def test_an_interrupted_run_is_continued(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(folder, "a.png,d.mp4", "b $(c).png,d.mp4", "a.png,é [1].mp4")
    rendered: list[str] = []

    def interrupted(model: Any, opened: Any, tell: Any) -> object:  # noqa: ANN401
        rendered.append(opened.target.name)
        if len(rendered) == 2:
            raise KeyboardInterrupt
        return render_animation(model, opened, tell)

    with monkeypatch.context() as patch:
        patch.setattr(batch, "render_animation", interrupted)
        result = run(*arguments(path, checkpoint, "--json"))
    assert result.exit_code == 130
    assert [row["status"] for row in lines_of(result.stdout)] == ["done"]
    assert os.listdir(folder / "out") == ["a--d.mp4"]
    first = (folder / "out" / "a--d.mp4").stat()

    assert_fails(3, *arguments(path, checkpoint), words="--skip-existing or --force")
    result = run(*arguments(path, checkpoint, "--json", "--skip-existing"))
    assert result.exit_code == 0, result.output
    assert [row["status"] for row in lines_of(result.stdout)] == ["skipped", "done", "done"]
    assert (folder / "out" / "a--d.mp4").stat() == first
    assert run(*arguments(path, checkpoint, "--force")).exit_code == 0


def test_rows_have_their_own_options_and_checkpoints(folder: Path, checkpoint: Path) -> None:
    other = tiny_config(**{"data.frame_size": 64})
    save_checkpoint(folder / "other.safetensors", tiny_model(other), other, record={})
    path = folder / "pairs.jsonl"
    rows = [
        {"source": "a.png", "driving": "d.mp4", "output": "1.webm", "size": 48},
        {"source": "a.png", "driving": "d.mp4", "output": "deep/2/", "save-motion": "m.safetensors",
         "checkpoint": "other.safetensors"},
        {"source": "a.png", "driving": "d.mp4", "output": "3.gif", "mode": "standard"},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)))
    result = run(*arguments(path, checkpoint, "--json", "--size", "32"))
    assert result.exit_code == 0, result.output
    shown = lines_of(result.stdout)
    # one model at a time: rows with the same one follow each other
    assert [row["line"] for row in shown] == [1, 3, 2]
    assert [row["size"] for row in shown] == [[48, 48], [32, 32], [32, 32]]
    assert [row["mode"] for row in shown] == ["relative", "standard", "relative"]
    assert shown[2]["checkpoint"] == str(folder / "other.safetensors")
    assert len(list((folder / "out" / "deep" / "2").iterdir())) == 3
    assert (folder / "out" / "m.safetensors").is_file()


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("source,driving,smoth", "a.png,d.mp4,1", "did you mean smooth?"),
        ("source,driving,smooth", "a.png,d.mp4,2", "line 3: smooth: expected"),
        ("source,driving,codec", "a.png,d.mp4,theora", "line 3: codec theora"),
        ("source,driving,output", "a.png,d.mp4,o.xyz", "line 3: "),
        ("source,driving,background", "a.png,d.mp4,keep", "line 3: background: keep needs"),
        ("source,driving,fps", "b $(c).png,d.mp4,", "line 3: writes"),
    ],
)
def test_a_wrong_table_is_found_before_the_model_is_loaded(
    folder: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    header: str,
    row: str,
    words: str,
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(cpabmm_core, "load_model", fail, raising=False)
    path = table(folder, "b $(c).png,d.mp4,", row, header=header)
    assert_fails(3, *arguments(path, checkpoint), words=words)
    assert not (folder / "out").exists()


def test_a_bad_checkpoint_fails_its_rows_only(folder: Path, checkpoint: Path) -> None:
    (folder / "bad.safetensors").write_bytes(b"not a checkpoint")
    path = table(
        folder,
        "a.png,d.mp4,bad.safetensors",
        "b $(c).png,d.mp4,bad.safetensors",
        "a.png,é [1].mp4,",
        header="source,driving,checkpoint",
    )
    result = run("-q", *arguments(path, checkpoint, "--json"))
    assert result.exit_code == 1
    assert [row["status"] for row in lines_of(result.stdout)] == ["failed", "failed", "done"]


@pytest.mark.parametrize(
    "extra", [["a.png"], ["--save-motion", "m.safetensors"], ["-o", "-"], ["--smooth", "3"]]
)
def test_what_batches_exclude_is_wrong_usage(
    folder: Path, checkpoint: Path, extra: list[str]
) -> None:
    path = table(folder, "a.png,d.mp4")
    assert run(*arguments(path, checkpoint, *extra)).exit_code == 2
    assert run("animate", "--batch", path).exit_code == 2
