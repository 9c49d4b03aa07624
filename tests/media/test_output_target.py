import os
import shutil
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from _helpers.media_files import numbered_frame
from _helpers.system import without_privileges

from cpabmm_core.errors import (
    ConfigError,
    CpabmmError,
    MediaError,
    OutputExistsError,
    ResourceError,
)
from cpabmm_core.media import OUTPUT_FORMATS, OutputTarget, output_target

NAMES = ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif", "a.webp", "a.apng", "a.y4m", "a.nut", "a/"]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(target: OutputTarget, count: int = 3) -> None:
    with target.open(64, 48, Fraction(25), Fraction(1, 25)) as writer:
        for number in range(count):
            writer.write(numbered_frame(number), number, 1)


def refused(error: type[CpabmmError], name: str, words: str, **options: object) -> None:
    """Assert that an output is refused in one line that names it, and that nothing is written."""
    before = sorted(Path().rglob("*"))
    with pytest.raises(error, match=words) as caught:
        output_target(name, **options)  # type: ignore[arg-type]
    assert type(caught.value) is error
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_written_and_nothing_else(name: str) -> None:
    target = output_target(name)
    assert not list(Path().iterdir())
    write(target)
    assert [path.name for path in Path().iterdir()] == [name.rstrip("/")]
    assert target.is_folder == name.endswith("/")
    assert target.holds_sound == (name in {"a.mp4", "a.mov", "a.mkv", "a.webm", "a.nut"})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MediaError("x"), OSError(5, "x")])
def test_a_run_that_stops_leaves_no_file(name: str, stop: BaseException) -> None:
    """Ctrl-C raises KeyboardInterrupt; the command line turns SIGTERM into SystemExit."""
    target = output_target(name)

    def stopped() -> None:
        with target.open(64, 48, Fraction(25), Fraction(1, 25)) as writer:
            writer.write(numbered_frame(0), 0, 1)
            raise stop

    with pytest.raises(stop if isinstance(stop, type) else type(stop)):
        stopped()
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_frames_is_an_error_and_leaves_no_file(name: str) -> None:
    with pytest.raises(MediaError, match=f"^{name}: no frame was written"):
        write(output_target(name), count=0)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a/"])
def test_an_existing_file_is_replaced_only_on_request(name: str) -> None:
    Path(name).write_bytes(b"old")
    refused(OutputExistsError, name, "already exists")
    target = output_target(name, force=True)
    with pytest.raises(MediaError):
        write(target, count=0)
    assert Path(name).read_bytes() == b"old"
    write(target)
    assert Path(name).read_bytes() != b"old"


def test_a_folder_loses_the_frames_of_a_longer_clip_and_nothing_else() -> None:
    write(output_target("frames/"), count=5)
    Path("frames/notes.txt").write_text("mine")
    Path("frames/000003.jpg").write_text("mine")
    refused(OutputExistsError, "frames/", "not empty")
    write(output_target("frames/", force=True), count=2)
    names = sorted(path.name for path in Path("frames").iterdir())
    assert names == ["000000.png", "000001.png", "000003.jpg", "notes.txt"]


@pytest.mark.parametrize("name", ["out", "out.d", "out/", "out.x/"])
def test_format_png_makes_any_name_a_folder(name: str) -> None:
    write(output_target(name, format="png"))
    assert len(list(Path(name.rstrip("/")).glob("*.png"))) == 3


@pytest.mark.parametrize(
    ("name", "format", "head"),
    [
        ("a", "mp4", b"ftyp"),
        ("a.bin", "webm", b"webm"),
        ("a.png", "apng", b"PNG"),
        ("a.MKV", None, b"matroska"),
        ("a.M4V", None, b"ftyp"),
        ("a.mp4", "mp4", b"ftyp"),
    ],
)
def test_name_or_format_decide(name: str, format: str | None, head: bytes) -> None:
    write(output_target(name, format=format))
    assert head in Path(name).read_bytes()[:64]


@pytest.mark.parametrize("name", ["a", "a.avi", "a.png", "a.jpg", ".mp4"])
def test_an_unknown_suffix_is_met_with_the_list(name: str) -> None:
    allowed = r"\.mp4 \.mov \.mkv \.webm \.gif \.webp \.apng \.y4m \.nut, or in / for PNG frames"
    refused(MediaError, name, allowed)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.mp4", {"format": "webm"}, "a.mp4: its suffix means mp4, not webm"),
        ("a/", {"format": "mp4"}, "a/: a folder holds PNG frames, not mp4"),
        ("a.mp4", {"format": "avi"}, "format avi: unknown; give one of mp4, mov, mkv"),
        ("a.mp4", {"codec": "prores"}, "codec prores: .*in mp4 use one of h264, h265, av1, vp9"),
        ("a.webm", {"codec": "h264"}, "codec h264: .*in webm use one of vp9, av1"),
        ("a.gif", {"codec": "vp8"}, "codec vp8: is unknown; in gif use one of gif"),
        ("a.mkv", {"codec": "ffv1", "quality": 5}, "quality 5: ffv1 is lossless"),
        ("a.apng", {"quality": 5}, "quality 5: apng is lossless"),
        ("a/", {"quality": 5}, "quality 5: png is lossless"),
        ("a.mp4", {"quality": 0}, "quality 0: give a whole number from 1 to 100"),
        ("a.mp4", {"quality": 101}, "quality 101: give a whole number from 1 to 100"),
    ],
)
def test_what_does_not_go_together_is_refused(
    name: str, options: dict[str, object], words: str
) -> None:
    refused(ConfigError, name, words, **options)


@pytest.mark.parametrize("format", ["webp", "apng", "png"])
def test_formats_that_need_a_file_are_refused_on_standard_output(format: str) -> None:
    refused(ConfigError, "-", "standard output; give one of mp4, mov, mkv, webm", format=format)


@pytest.mark.parametrize("name", ["no/a.mp4", "no/frames/"])
def test_a_missing_folder_is_named(name: str) -> None:
    refused(MediaError, name, "no does not exist; create it first")


@pytest.mark.parametrize("name", ["a.mp4", "frames/"])
def test_a_folder_without_permission_is_named(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # all of its parents may be entered by anyone
        Path(folder).chmod(0o755)
        with without_privileges(), pytest.raises(MediaError) as caught:
            output_target(f"{folder}/{name}")
    assert str(caught.value) == f"{folder}: the folder is not writable; choose another one"


def test_a_folder_in_place_of_a_file_is_refused() -> None:
    Path("a.mp4").mkdir()
    Path("b").mkdir()
    Path("c").write_text("")
    refused(MediaError, "a.mp4", "is a folder")
    refused(MediaError, "b", "is a folder; name a file in it, or end it in / for PNG frames")
    refused(MediaError, "c/", "is a file")


def test_an_input_is_never_replaced() -> None:
    Path("frames").mkdir()
    for name in ("a.mp4", "frames/000000.png"):
        Path(name).write_text("")
    Path("link.mp4").symlink_to("a.mp4")
    for name in ("a.mp4", "./a.mp4", "link.mp4"):
        refused(MediaError, name, "is also an input", force=True, inputs=["-", "a.mp4"])
    refused(MediaError, "frames/", "also an input", force=True, inputs=["frames"])
    refused(MediaError, "frames/", "holds an input", force=True, inputs=["frames/000000.png"])


def test_names_of_inputs_that_are_no_files_do_not_matter() -> None:
    write(output_target("a.mp4", inputs=["-", "camera:0", "missing.mp4"]))


@pytest.mark.parametrize("name", ["a.mp4", "frames/"])
def test_a_disk_that_is_almost_full_is_noticed_before_any_work(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    almost_full = SimpleNamespace(free=3 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: almost_full)
    refused(ResourceError, name, "only 3 MB are left on its disk; free some space")


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    main, terminal = os.openpty()
    with (
        open(main, "rb"),
        open(terminal, "w", encoding="utf-8") as output,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", output)
        refused(MediaError, "-", "standard output: is a terminal; send it to a file")


def test_a_closed_standard_output_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        refused(MediaError, "-", "standard output: is closed")


@pytest.mark.parametrize(
    "name",
    [
        "a b.mp4",
        "ünïcødé 画[1].webm",
        "it's.gif",
        "-%03d.webp",
        "x:y.apng",
        "$(id).mkv",
        "-f/",
        '".mov',
    ],
)
def test_any_name_works(name: str) -> None:
    write(output_target(name))
    assert [path.name for path in Path().iterdir()] == [name.rstrip("/")]


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_of_the_wrong_kind_is_refused(name: str) -> None:
    target = output_target(name)
    wrongs: tuple[Any, ...] = (
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 3)),
        np.zeros((0, 0, 3), np.uint8),
    )
    for wrong in wrongs:
        with (
            pytest.raises(MediaError, match="^" + name.rstrip("/")),
            target.open(64, 48, Fraction(25), Fraction(1, 25)) as writer,
        ):
            writer.write(wrong, 0, 1)
    with (
        pytest.raises(MediaError, match="expected frames of 64 x 48, got 48 x 64"),
        target.open(64, 48, Fraction(25), Fraction(1, 25)) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8)[:, :].swapaxes(0, 1), 0, 1)
    assert not list(Path().iterdir())


def test_a_frame_too_small_for_its_codec_is_refused_in_words() -> None:
    target = output_target("a.mp4", codec="h265")
    with (
        pytest.raises(MediaError, match=r"^a\.mp4: frames of 8 x 8 are too small .* 16 x 16$"),
        target.open(8, 8, Fraction(25), Fraction(1, 25)),
    ):
        pass
    assert not list(Path().iterdir())


def test_all_formats_are_tested() -> None:
    assert {"png", *(Path(name).suffix[1:] for name in NAMES)} - {""} == {*OUTPUT_FORMATS}
