"""Each option of ``cpabmm animate`` reaches its effect in the written frames."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from _helpers.command_line import assert_fails, document_of, run
from _helpers.listening import sound_codec
from _helpers.media_files import packet_times, write_test_video
from PIL import Image

WIDTH, HEIGHT = 80, 60
FRAMES = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of 80 x 60 and a driving video of six different frames, with sound."""
    folder = tmp_path_factory.mktemp("files")
    Image.fromarray(source_picture()).save(folder / "s.png")
    write_test_video(folder / "d.mp4", frames=FRAMES, rate=25, audio=True)
    return folder


def source_picture() -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 4, columns * 3, (rows + columns) % 16 * 16], axis=-1).astype(np.uint8)


@pytest.fixture
def animate(files: Path, checkpoint: Path, tmp_path: Path) -> "Animate":
    return Animate(files, checkpoint, tmp_path)


class Animate:
    """Runs the command on the files, in fp32 on the CPU."""

    def __init__(self, files: Path, checkpoint: Path, folder: Path) -> None:
        self.source, self.driving = files / "s.png", files / "d.mp4"
        self.folder = folder
        self._options = ("-c", checkpoint, "--device", "cpu", "--precision", "fp32")

    def arguments(self, output: str, *options: object) -> list[object]:
        files = (self.source, self.driving, "-o", f"{self.folder}/{output}")
        return ["-q", "animate", *files, *self._options, "--force", *options]

    def document(self, output: str, *options: object) -> dict[str, Any]:
        return document_of(*self.arguments(output, *options))

    def frames(self, *options: object, name: str = "frames") -> np.ndarray:  # (F, H, W, 3 or 4)
        """Return the lossless frames of a run."""
        self.document(f"{name}/", *options)
        pictures = sorted((self.folder / name).glob("*.png"))
        return np.stack([np.asarray(Image.open(path)) for path in pictures])


def test_the_output_has_the_size_of_the_sources_part(animate: Animate) -> None:
    assert animate.document("o.mp4")["size"] == [60, 60]
    assert animate.document("o.mp4", "--fit", "pad")["size"] == [WIDTH, HEIGHT]
    document = animate.document("o.mp4", "--crop", "5,6,40,30", "--fit", "pad")
    assert (document["size"], document["crop"]) == ([40, 30], [5, 6, 40, 30])


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--size", "121"], [121, 121]),
        (["--size", "40", "--fit", "pad"], [40, 30]),
        (["--size", "160", "--paste-back", "--crop", "5,6,40,30"], [160, 120]),
        (["--size", "40", "--paste-back"], [40, 30]),
    ],
)
def test_size_is_the_longer_side_of_the_output(
    animate: Animate, options: list[str], size: list[int]
) -> None:
    assert animate.document("o.gif", *options)["size"] == size
    with Image.open(animate.folder / "o.gif") as picture:
        assert list(picture.size) == size


def test_paste_back_leaves_the_rest_of_the_source_as_it_is(animate: Animate) -> None:
    frames = animate.frames("--paste-back", "--crop", "20,10,32,32")
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[10:42, 20:52] = False
    assert (frames[:, outside] == source_picture()[outside]).all()
    assert (frames[:, ~outside] != source_picture()[~outside]).any()


def test_an_automatic_crop_is_told_and_reported(animate: Animate) -> None:
    arguments = animate.arguments("o.mp4", "--crop", "auto", "--driving-crop", "auto")
    result = run(*arguments[1:])
    assert result.exit_code == 0, result.output
    for path in (animate.source, animate.driving):
        assert f"{path}: cropped to " in result.stderr


def test_a_crop_outside_of_the_picture_is_one_line(animate: Animate) -> None:
    assert_fails(4, *animate.arguments("o.mp4", "--crop", "80,0,5,5"), words="outside")
    assert not (animate.folder / "o.mp4").exists()


def test_the_driving_crop_changes_what_drives(animate: Animate) -> None:
    cropped = ("--driving-crop", "0,0,24,24")
    assert animate.document("o.mp4", *cropped)["driving_crop"] == [0, 0, 24, 24]
    assert (animate.frames(*cropped) != animate.frames(name="whole")).any()


def test_mirrored_driving_frames_move_a_mirrored_source_alike(animate: Animate) -> None:
    """The mirror image of everything: the networks see what they saw, left and right exchanged."""
    mirrored = animate.folder / "mirrored"
    mirrored.mkdir()
    with av.open(animate.driving) as video:
        for number, frame in enumerate(video.decode(video=0)):
            picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
            picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored / f"{number:02d}.png")
    by_option = animate.frames("--mirror", "--audio", "none")
    plain = animate.frames("--audio", "none", name="plain")
    animate.driving = mirrored
    assert (by_option == animate.frames(name="by_file")).all()
    assert (by_option != plain).any()


def test_a_saved_motion_cannot_be_mirrored(animate: Animate) -> None:
    saved = animate.folder / "m.safetensors"
    animate.frames("--save-motion", saved)
    animate.driving = saved
    result = run(*animate.arguments("o.mp4", "--mirror"))
    assert result.exit_code == 2
    assert "--mirror" in result.stderr


def test_the_reference_frame_takes_the_pose_of_the_source(animate: Animate) -> None:
    first = animate.frames()
    fourth = animate.frames("--reference-frame", "3", name="fourth")
    assert (fourth[3] == first[0]).all()
    assert (fourth[0] != first[0]).any()
    document = animate.document("o.mp4", "--reference-frame", "auto")
    assert document["reference_frame"] in range(FRAMES)


def test_a_reference_frame_beyond_the_video_is_wrong_usage(animate: Animate) -> None:
    result = run(*animate.arguments("o.mp4", "--reference-frame", "6"))
    assert result.exit_code == 2
    assert "--reference-frame" in result.stderr
    assert not (animate.folder / "o.mp4").exists()


def test_motion_scale_zero_stands_still_and_larger_values_move_more(animate: Animate) -> None:
    still = animate.frames("--motion-scale", "0")
    assert (still == still[0]).all()
    changes = [
        np.abs(frames - frames[:1]).mean()
        for frames in (
            animate.frames("--motion-scale", factor, name=factor).astype(float)
            for factor in ("0.1", "0.4")
        )
    ]
    assert 0 < changes[0] < changes[1]


def test_smoothing_changes_all_but_the_first_frame(animate: Animate) -> None:
    plain, smooth = animate.frames(), animate.frames("--smooth", "1", name="smooth")
    assert (smooth[0] == plain[0]).all()
    assert (smooth[1:] != plain[1:]).any()


def test_hull_scaling_can_be_switched_off(animate: Animate) -> None:
    scaled = animate.frames("--hull-scaling", "on")
    assert (scaled == animate.frames(name="default")).all()
    assert (scaled != animate.frames("--hull-scaling", "off", name="unscaled")).any()


def test_the_modes_differ(animate: Animate) -> None:
    assert (animate.frames() != animate.frames("--mode", "standard", name="standard")).any()


def test_a_saved_motion_drives_like_the_video(animate: Animate) -> None:
    saved = animate.folder / "m.safetensors"
    by_video = animate.frames("--save-motion", saved)
    animate.driving = saved
    by_motion = animate.frames(name="again")
    assert np.abs(by_motion.astype(int) - by_video).max() <= 1
    compared = animate.document("c.mp4", "--compare")
    assert compared["driving_crop"] is None
    for option in ("--driving-crop=auto", f"--save-motion={saved}2"):
        assert run(*animate.arguments("o.mp4", option)).exit_code == 2


def test_sound_of_the_source_video(animate: Animate, tmp_path: Path) -> None:
    silent = write_test_video(tmp_path / "silent.mp4", frames=FRAMES)
    assert animate.document("o.mp4")["audio"] == "copied"
    assert animate.document("o.mp4", "--audio", "none")["audio"] == "none"
    animate.source, animate.driving = animate.driving, silent
    assert animate.document("o.mp4")["audio"] == "none"
    assert animate.document("o.mp4", "--audio", "source")["audio"] == "copied"
    assert sound_codec(animate.folder / "o.mp4") == "aac"


def test_a_source_without_sound_is_one_line(animate: Animate) -> None:
    result = run(*animate.arguments("o.mp4", "--audio", "source")[1:])
    assert f"{animate.source}: has no sound" in result.stderr


@pytest.mark.parametrize("rate", ["12.5", "30000/1001", "50"])
def test_a_constant_rate_keeps_the_duration(animate: Animate, rate: str) -> None:
    document = animate.document("o.mkv", "--fps", rate)
    fps = Fraction(rate)
    expected = round(FRAMES / Fraction(25) * fps)
    times = packet_times(animate.folder / "o.mkv")
    assert len(times) in (expected, expected + 1)
    assert times == pytest.approx([k / float(fps) for k in range(len(times))], abs=1e-3)
    assert document["frames"] <= len(times)


def test_codec_quality_and_format_reach_the_file(animate: Animate) -> None:
    animate.document("a.mkv", "--codec", "ffv1")
    animate.document("low.mp4", "--quality", "5", "--size", "200", "--audio", "none")
    animate.document("high.mp4", "--quality", "95", "--size", "200", "--audio", "none")
    animate.document("without suffix", "--format", "webm")
    with av.open(str(animate.folder / "a.mkv")) as video:
        assert video.streams.video[0].codec_context.name == "ffv1"
    sizes = [(animate.folder / name).stat().st_size for name in ("low.mp4", "high.mp4")]
    assert 2 * sizes[0] < sizes[1]
    with av.open(str(animate.folder / "without suffix")) as video:
        assert "webm" in video.format.name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--codec", "theora"], "theora"),
        (["--quality", "101"], "--quality"),
        (["--fps", "fast"], "--fps"),
        (["--fps", "0"], "--fps"),
        (["--crop", "1,2,3"], "--crop"),
        (["--driving-crop", "all"], "--driving-crop"),
        (["--background", "nothing"], "--background"),
        (["--background", "keep"], "--background"),
        (["--reference-frame", "first"], "--reference-frame"),
        (["--smooth", "2"], "--smooth"),
        (["--mode", "standard", "--hull-scaling", "on"], "--hull-scaling"),
        (["--compare", "--visualize"], "--visualize"),
        (["--format", "avi"], "avi"),
        (["--skip-existing"], "--skip-existing"),
    ],
)
def test_wrong_options_are_reported_before_any_work(
    animate: Animate, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("cpabmm_core.load_model", fail, raising=False)
    result = run(*animate.arguments("o.mp4", *options))
    assert result.exit_code in (2, 4)
    assert words in result.stderr
    assert result.stdout == ""
    assert list(animate.folder.iterdir()) == []


def test_views_show_more_than_the_result(animate: Animate) -> None:
    compared = animate.document("c.mp4", "--compare")["size"]
    visual = animate.document("v.mp4", "--visualize")["size"]
    assert compared[0] > 3 * 60
    assert visual[0] > compared[0]


def transparent_source(path: Path) -> None:
    """Write the source with a transparent left half, whose hidden colour is red."""
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, : WIDTH // 2] = 0
    picture = source_picture()
    picture[:, : WIDTH // 2] = (255, 0, 0)
    Image.fromarray(np.dstack([picture, alpha])).save(path)


def test_transparency_is_kept_or_put_on_a_colour(animate: Animate, tmp_path: Path) -> None:
    animate.source = tmp_path / "alpha.png"
    transparent_source(animate.source)
    still = ("--paste-back", "--crop", "44,10,32,32")
    kept = animate.frames(*still)
    assert kept.shape == (FRAMES, HEIGHT, WIDTH, 4)
    assert (kept[:, 5, 5, 3] == 0).all()
    assert (kept[:, 5, 75, 3] == 255).all()
    green = animate.frames(*still, "--background", "#0f8", name="green")
    assert (green[:, 5, 5] == (0, 255, 136)).all()
    animate.document("o.mkv", *still, "--format", "mkv", "--codec", "h264")
    with av.open(str(tmp_path / "o.mkv")) as video:
        first = next(video.decode(video=0)).to_ndarray(format="rgb24")
    assert (first[5, 5] > 250).all()


def test_a_source_video_moves_along_with_the_driving_video(
    animate: Animate, tmp_path: Path
) -> None:
    animate.source = write_test_video(tmp_path / "s.mkv", frames=3, rate=10, codec="ffv1",
                                      pixels="bgr0", size=(WIDTH, HEIGHT))  # fmt: skip
    moving = animate.frames("--paste-back", "--crop", "0,20,16,16")
    assert len(moving) == FRAMES
    with av.open(str(animate.source)) as video:
        real = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    shown = [0, 0, 0, 1, 1, 2]  # at 0, 40, 80, 120, 160 and 200 ms, of frames of 100 ms
    for frame, index in zip(moving, shown, strict=True):
        assert (frame[:, 40:] == real[index][:, 40:]).all()


def test_the_result_ends_with_a_source_video_that_is_shorter(
    animate: Animate, tmp_path: Path
) -> None:
    animate.source = write_test_video(tmp_path / "s.mkv", frames=2, rate=10, codec="ffv1",
                                      pixels="bgr0", size=(WIDTH, HEIGHT))  # fmt: skip
    assert len(animate.frames()) == 5  # at 0, 40, 80, 120 and 160 ms
