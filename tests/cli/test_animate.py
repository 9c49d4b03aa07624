import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.listening import sound_codec
from _helpers.media_files import packet_times, rotate_by_metadata, write_test_video
from _helpers.odd_files.sound import make_announced, write_video
from _helpers.tiny_model import tiny_config, tiny_model
from PIL import Image

import cpabmm_core
from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.media.video import VideoFrame, VideoReader

GREY = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an image s.png and a driving video d.mp4 of 5 frames, with sound."""
    Image.fromarray(np.repeat(GREY[..., None], 3, axis=2)).save(tmp_path / "s.png")
    times = [0, 1, 2, 5, 6]
    write_test_video(tmp_path / "d.mp4", pts=times, time_base=Fraction(1, 30), audio=True)
    return tmp_path


def animate(folder: Path, checkpoint: Path, *options: object) -> list[object]:
    files = (folder / "s.png", folder / "d.mp4", "-o", folder / "o.mp4")
    return ["animate", *files, "--checkpoint", checkpoint, *options]


@pytest.mark.parametrize("mode", ["standard", "relative"])
def test_the_output_has_the_timestamps_and_sound_of_the_driving_video(
    folder: Path, checkpoint: Path, mode: str
) -> None:
    output = folder / "o.mp4"
    assert output_of(*animate(folder, checkpoint, "--mode", mode)) == f"{output}\n"
    assert packet_times(output) == packet_times(folder / "d.mp4")
    assert packet_times(output, "audio") == packet_times(folder / "d.mp4", "audio")
    with VideoReader(output) as video:
        assert (video.width, video.height) == (60, 60)  # the square of a source of 80 x 60
    assert {path.name for path in folder.iterdir()} == {"s.png", "d.mp4", "o.mp4"}


def test_mode_avd_needs_a_model_with_an_avd_network(
    folder: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert_fails(
        4,
        "-q",
        *animate(folder, checkpoint, "--mode", "avd"),
        words="or use --mode relative",
    )
    assert {path.name for path in folder.iterdir()} == {"s.png", "d.mp4"}
    with_avd = tmp_path_factory.mktemp("avd") / "avd.safetensors"
    config = tiny_config(**{"model.avd": {"id_bottle_size": 4, "pose_bottle_size": 4}})
    save_checkpoint(with_avd, tiny_model(config), config, record={})
    document = document_of(*animate(folder, with_avd, "--mode", "avd"))
    assert (document["mode"], document["frames"]) == ("avd", 5)
    assert packet_times(folder / "o.mp4") == packet_times(folder / "d.mp4")


def test_json_is_one_document(folder: Path, checkpoint: Path) -> None:
    options = ("--device", "cpu", "--precision", "fp32")
    document = document_of(*animate(folder, checkpoint, *options))
    assert document.pop("seconds") > 0
    assert document == {
        "output": str(folder / "o.mp4"),
        "frames": 5,
        "size": [60, 60],
        "crop": [10, 0, 60, 60],
        "driving_crop": [8, 0, 48, 48],
        "checkpoint": str(checkpoint),
        "mode": "relative",
        "reference_frame": 0,
        "precision": "fp32",
        "audio": "copied",
    }


def test_sound_is_left_out_on_request_and_not_even_opened(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the sound was opened")

    monkeypatch.setattr("cpabmm_core.media.video.writer.AudioTrack", fail)
    document = document_of(*animate(folder, checkpoint, "--audio", "none"))
    assert document["audio"] == "none"
    assert sound_codec(folder / "o.mp4") is None
    assert packet_times(folder / "o.mp4") == packet_times(folder / "d.mp4")


def test_sound_that_the_format_cannot_hold_is_encoded(folder: Path, checkpoint: Path) -> None:
    write_video(folder / "d.mp4", "pcm_s16le", container="mov", frames=3)
    assert document_of(*animate(folder, checkpoint))["audio"] == "encoded"
    assert sound_codec(folder / "o.mp4") == "aac"


def test_sound_that_cannot_be_kept_is_one_line_about_the_input(
    folder: Path, checkpoint: Path
) -> None:
    make_announced(folder / "d.mp4")  # the content decides what it is, not the suffix
    result = run(*animate(folder, checkpoint, "--json"))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["audio"] == "left out"
    lines = [line for line in result.stderr.splitlines() if "running" not in line]
    assert lines == [
        f"{folder / 'd.mp4'}: its sound is left out (it is announced, but there is none)"
    ]
    assert len(packet_times(folder / "o.mp4")) == 25


def test_an_unknown_choice_of_sound_is_a_usage_error(folder: Path, checkpoint: Path) -> None:
    assert run(*animate(folder, checkpoint, "--audio", "loud")).exit_code == 2


def test_the_default_name_joins_both_names(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    arguments = ["animate", "s.png", "d.mp4", "-c", checkpoint]
    assert output_of(*arguments) == "s--d.mp4\n"
    assert_fails(3, *arguments, words="--force")
    assert output_of(*arguments, "--force") == "s--d.mp4\n"


def test_messages_go_to_stderr_and_quiet_suppresses_them(folder: Path, checkpoint: Path) -> None:
    assert "on cpu" in run(*animate(folder, checkpoint, "--device", "cpu")).stderr
    assert run("--quiet", *animate(folder, checkpoint, "--force")).stderr == ""


def grey(path: Path) -> None:
    Image.fromarray(GREY).save(path)


def alpha(path: Path) -> None:
    Image.fromarray(np.dstack([GREY] * 4)).save(path)


def sixteen_bits(path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(path)


def one_pixel(path: Path) -> None:
    Image.fromarray(GREY[:1, :1]).save(path)


def odd_size(path: Path) -> None:
    Image.fromarray(np.repeat(GREY[:31, :47, None], 3, axis=2)).save(path)


@pytest.mark.parametrize("make", [grey, alpha, sixteen_bits, one_pixel, odd_size])
def test_images_of_every_kind_are_animated(
    folder: Path, checkpoint: Path, make: Callable[[Path], None]
) -> None:
    make(folder / "s.png")
    assert document_of(*animate(folder, checkpoint))["frames"] == 5


@pytest.mark.parametrize(("frames", "size"), [(1, (64, 48)), (3, (46, 34)), (2, (2, 2))])
def test_short_and_small_videos_drive(
    folder: Path, checkpoint: Path, frames: int, size: tuple[int, int]
) -> None:
    write_test_video(folder / "d.mp4", frames=frames, size=size)
    assert document_of(*animate(folder, checkpoint))["frames"] == frames


def test_a_video_of_odd_size_drives(folder: Path, checkpoint: Path) -> None:
    write_test_video(folder / "d.mp4", size=(47, 33), pixels="yuv444p", frames=3)
    assert document_of(*animate(folder, checkpoint))["frames"] == 3


def test_a_rotated_video_is_upright(folder: Path, checkpoint: Path) -> None:
    write_test_video(folder / "d.mp4", size=(64, 48), frames=2)
    rotate_by_metadata(folder / "d.mp4", (0, 1, -1, 0))
    document = document_of(*animate(folder, checkpoint))
    assert document["driving_crop"] == [0, 8, 48, 48]


def test_a_video_of_ten_bits_drives(folder: Path, checkpoint: Path) -> None:
    write_test_video(folder / "d.mp4", pixels="yuv420p10le", frames=3)
    assert document_of(*animate(folder, checkpoint))["frames"] == 3


def test_a_folder_of_frames_and_an_animated_picture_drive(folder: Path, checkpoint: Path) -> None:
    write_test_video(folder / "d.gif", codec="gif", pixels="rgb8", frames=3)
    (folder / "frames").mkdir()
    for number in (2, 10, 1):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(folder / "frames" / f"{number}.png")
    for name in ("d.gif", "frames"):
        files = (folder / "s.png", folder / name, "-o", folder / f"{name}.webm")
        assert document_of("animate", *files, "-c", checkpoint)["frames"] == 3


class EndlessFrames:
    """Frames like those of a camera; with the sixth, somebody presses Ctrl-C."""

    path, has_audio, is_live = None, False, True
    width, height, frame_rate, time_base = 40, 30, Fraction(30), Fraction(1, 30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[VideoFrame]:
        for number in count():
            if number == 5:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.02)
            yield VideoFrame(np.full((30, 40, 3), number % 256, np.uint8), number, 1)


def test_ctrl_c_ends_a_recording_from_a_camera(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cpabmm_core.inference.open_animation.open_driving", lambda _: EndlessFrames()
    )
    files = (folder / "s.png", "camera:0", "-o", folder / "o.mp4")
    frames = document_of("animate", *files, "-c", checkpoint)["frames"]
    assert frames >= 5
    assert len(packet_times(folder / "o.mp4")) == frames


@pytest.mark.parametrize(
    "words",
    [
        ["s.png"],
        ["-", "-"],
        ["s.png", "d.mp4", "-o", "-", "--json"],
        ["s.png", "camera:0", "--reference-frame", "auto"],
        ["s.png", "camera:0", "--save-motion", "m.safetensors"],
        ["-", "d.mp4", "--audio", "source"],
        ["s.png", "-", "--compare", "--reference-frame", "2"],
    ],
)
def test_what_cannot_be_done_is_wrong_usage(
    folder: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    forbid_the_model(monkeypatch)
    result = run("animate", *words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def text(path: Path) -> None:
    path.write_text("This is neither an image nor a video.\n" * 40)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [missing, empty, truncated, text, a_folder])
@pytest.mark.parametrize("name", ["s.png", "d.mp4"])
def test_a_bad_input_is_a_one_line_error_and_leaves_no_file(
    folder: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    spoil: Callable[[Path], None],
) -> None:
    spoil(folder / name)
    forbid_the_model(monkeypatch)
    before = sorted(folder.iterdir())
    assert_fails(3, *animate(folder, checkpoint), words=f"{folder / name}: ")
    assert sorted(folder.iterdir()) == before


def forbid_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if the model is loaded: all checks come before that."""

    def fail(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(cpabmm_core, "load_model", fail, raising=False)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("nowhere/o.mp4", "does not exist"),
        ("d.mp4", "input"),
        ("s.png/o.mp4", "does not exist"),
        ("o.xyz", ".mp4"),
        ("o", "no suffix"),
        (".", "a folder"),
    ],
)
def test_a_bad_output_is_a_one_line_error_before_any_work(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, output: str, words: str
) -> None:
    forbid_the_model(monkeypatch)
    driving = (folder / "d.mp4").read_bytes()
    before = sorted(folder.iterdir())
    arguments = animate(folder, checkpoint, "-o", folder / output, "--force")
    assert_fails(3, *arguments, words=words)
    assert sorted(folder.iterdir()) == before
    assert (folder / "d.mp4").read_bytes() == driving


def test_an_existing_output_is_kept_without_force(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "o.mp4").write_text("precious")
    with monkeypatch.context() as patch:
        forbid_the_model(patch)
        assert_fails(3, *animate(folder, checkpoint), words="--force")
    assert (folder / "o.mp4").read_text() == "precious"
    output_of(*animate(folder, checkpoint, "--force"))
    assert packet_times(folder / "o.mp4") == packet_times(folder / "d.mp4")


@pytest.mark.parametrize(
    ("name", "content"), [("no.safetensors", None), ("a.safetensors", b""), ("b.txt", b"text\n")]
)
def test_a_bad_checkpoint_is_a_one_line_error_and_leaves_no_file(
    folder: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    before = sorted(folder.iterdir())
    assert_fails(4, *animate(folder, folder / name), words=name)
    assert sorted(folder.iterdir()) == before


def test_an_unknown_model_gets_a_hint(folder: Path) -> None:
    assert_fails(4, *animate(folder, Path("pupets")), words="puppets")


def test_a_video_damaged_in_the_middle_leaves_no_file(folder: Path, checkpoint: Path) -> None:
    driving = write_test_video(folder / "d.mp4", frames=50, size=(320, 240))
    data = bytearray(driving.read_bytes())
    middle = slice(len(data) // 3, 2 * len(data) // 3)
    data[middle] = bytes(len(data[middle]))
    driving.write_bytes(data)
    assert_fails(3, "--quiet", *animate(folder, checkpoint), words="d.mp4")
    assert not (folder / "o.mp4").exists()
    assert {path.name for path in folder.iterdir()} == {"s.png", "d.mp4"}


@pytest.mark.parametrize(
    "name", ["a b (1).png", "snø 雪.png", "--s.png", "$(s)'\".png", "[b]s.png"]
)
def test_unusual_file_names_work(
    folder: Path, checkpoint: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "s.png").rename(folder / name)
    output = output_of("-q", "animate", "-c", checkpoint, "--", name, "d.mp4")
    assert output == f"{Path(name).stem}--d.mp4\n"
    assert (folder / output.strip("\n")).is_file()
