import csv
import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from _helpers import known_extractors
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.known_extractors import square_frame, write_frames
from _helpers.media_files import write_test_video

from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.extractors import ExtractorInfo, registry
from cpabmm_core.metrics.results import MEASURES

PIXELS_ONLY = ("--keypoints", "none", "--identity", "none")
SQUARE = "_helpers.known_extractors:open_square"
SQUARES = ("--keypoints", "square", "--identity", "square")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPABMM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what an installed package tells of the extractor ``square``."""
    folder = known_extractors.install(tmp_path / "installed")
    monkeypatch.syspath_prepend(folder)
    known_extractors.MEASURED.clear()
    return folder


@pytest.fixture
def squares(tmp_path: Path) -> tuple[Path, Path]:
    """Video k of k + 2 frames: its square is k pixels too far right, and k levels too dark.

    The last frame of video 3 is black where it was generated.
    """
    for k in range(4):
        real = [square_frame(2 + n, 5) for n in range(k + 2)]
        generated = [square_frame(2 + n + k, 5, grey=255 - k) for n in range(k + 2)]
        if k == 3:
            generated[-1][:] = 0
        write_frames(tmp_path / "real" / f"v{k}", real)
        write_frames(tmp_path / "generated" / f"v{k}", generated)
    return tmp_path / "real", tmp_path / "generated"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Pictures a and b: a differs by 51 of 255 everywhere, b is identical."""
    real, generated = tmp_path / "real", tmp_path / "generated"
    for folder, a in ((real, 100), (generated, 151)):
        folder.mkdir()
        write_image(folder / "a.png", np.full((16, 16, 3), a, dtype=np.uint8))
        write_image(folder / "b.png", np.full((16, 16, 3), 30, dtype=np.uint8))
    return real, generated


def test_the_document_has_each_video_and_the_means(folders: tuple[Path, Path]) -> None:
    document = document_of("metrics", *folders, *PIXELS_ONLY)
    a, b = document["videos"]
    assert (a["name"], a["frames"], b["name"], b["frames"]) == ("a", 1, "b", 1)
    assert a["l1"] == pytest.approx(0.2)
    assert a["psnr"] == pytest.approx(-20 * np.log10(0.2))
    assert a["ssim"] < 1
    assert (b["l1"], b["psnr"], b["ssim"]) == (0, None, 1)
    assert document["l1"] == pytest.approx(0.1)
    assert document["psnr"] is None
    assert document["ssim"] == pytest.approx((a["ssim"] + 1) / 2)


def test_without_json_each_video_has_a_line(folders: tuple[Path, Path]) -> None:
    lines = output_of("metrics", *folders, *PIXELS_ONLY).splitlines()
    assert lines[0].startswith("a  l1 0.20000  psnr 13.979  ssim ")
    assert lines[1] == "b  l1 0.00000  psnr inf  ssim 1.00000"
    assert lines[2].startswith("mean of 2 videos  l1 0.10000 [0.00000, 0.20000]  psnr inf  ssim ")
    assert lines[3:] == ["mean of 2 frames  l1 0.10000 [0.00000, 0.20000]"]


def test_l1_is_the_mean_over_all_frames_and_l1_videos_that_over_videos(tmp_path: Path) -> None:
    """One frame that differs by 51 of 255, and three that do not differ."""
    real, generated = tmp_path / "real", tmp_path / "generated"
    for folder, grey in ((real, 100), (generated, 151)):
        for name, count, level in (("a", 1, grey), ("b", 3, 30)):
            (folder / name).mkdir(parents=True)
            for number in range(count):
                image = np.full((16, 16, 3), level, dtype=np.uint8)
                write_image(folder / name / f"{number}.png", image)
    document = document_of("metrics", real, generated, *PIXELS_ONLY)
    assert document["l1"] == pytest.approx(0.2 / 4)
    assert document["l1_videos"] == pytest.approx(0.2 / 2)
    measured = {measure.key for measure in MEASURES}
    assert set(document) == {*measured, "intervals", "coverage", "extractors", "videos"}
    lines = output_of("metrics", real, generated, *PIXELS_ONLY).splitlines()
    assert lines[2].startswith("mean of 2 videos  l1 0.10000 [")
    assert lines[3].startswith("mean of 4 frames  l1 0.05000 [")


def test_two_videos_are_compared_frame_by_frame(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=3)
    document = document_of("metrics", path, path, *PIXELS_ONLY)
    assert (document["l1"], document["ssim"]) == (0, 1)
    assert document["videos"][0]["frames"] == 3


def test_a_model_sees_the_centred_square_and_that_is_what_counts(
    tmp_path: Path, checkpoint: Path
) -> None:
    """64 x 48 against 32 x 32: the score of `reconstruct`, but for the coding of what it wrote."""
    video = write_test_video(tmp_path / "a.mp4", frames=3)
    drawn = document_of("reconstruct", video, "-o", tmp_path / "out", "--checkpoint", checkpoint)
    result = run("metrics", video, tmp_path / "out" / "a.mp4", "--json", *PIXELS_ONLY)
    assert json.loads(result.stdout)["l1"] == pytest.approx(drawn["l1"], abs=0.02)
    assert "a.mp4: is 64 x 48; its centred square is compared, at 32 x 32\n" in result.stderr


def test_mismatches_are_one_line_with_code_3(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one = write_test_video(tmp_path / "a.mp4", frames=3)
    other = write_test_video(tmp_path / "b.mp4", frames=4)
    small = write_test_video(tmp_path / "c.mp4", frames=3, size=(32, 24))
    assert_fails(3, "metrics", one, other, *PIXELS_ONLY, words="one length")
    assert_fails(3, "metrics", one, small, *PIXELS_ONLY, words="one size")
    assert_fails(3, "metrics", one, tmp_path / "nowhere.mp4", words="no such file")
    assert_fails(3, "metrics", one, folders[0], words="two files or two folders")
    (folders[1] / "b.png").unlink()
    assert_fails(3, "metrics", *folders, words="lacks b")


def test_keypoints_and_identities_of_a_known_square(
    squares: tuple[Path, Path], known: Path
) -> None:
    document = document_of("metrics", *squares, *SQUARES)
    counts, shifts = np.array([2, 3, 4, 4]), np.arange(4)
    assert document["akd"] == pytest.approx((counts * shifts / 2).sum() / counts.sum())
    assert document["mkr"] == pytest.approx(1 / 14)
    assert document["aed"] == pytest.approx((counts * (shifts / 255) ** 2).sum() / counts.sum())
    assert document["coverage"] == {
        part: {"real": 1, "generated": 13 / 14} for part in ("keypoints", "identity")
    }
    assert document["extractors"]["keypoints"] == {
        "name": "square",
        "version": "1",
        "weights": "none",
        "options": {},
    }
    assert [video["akd"] for video in document["videos"]] == [0, 0.5, 1, 1.5]
    assert [video["mkr"] for video in document["videos"]] == [0, 0, 0, 0.2]
    low, high = document["intervals"]["akd"]
    assert 0 <= low < document["akd"] < high <= 1.5
    assert document["intervals"]["fid"] is None


def test_identical_folders_are_perfect(squares: tuple[Path, Path], known: Path) -> None:
    document = document_of("metrics", squares[0], squares[0], *SQUARES)
    perfect = {"l1": 0, "l1_videos": 0, "psnr": None, "ssim": 1, "akd": 0, "mkr": 0, "aed": 0}
    assert {key: document[key] for key in perfect} == perfect
    assert document["intervals"]["ssim"] == [1, 1]


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ("shift", {"l1", "psnr", "ssim", "akd"}),
        ("blacken", {"l1", "psnr", "ssim", "mkr"}),
        ("darken", {"l1", "psnr", "ssim", "aed"}),
    ],
)
def test_a_corruption_moves_what_it_should(
    tmp_path: Path, known: Path, change: str, moved: set[str]
) -> None:
    real = [square_frame(6 + n % 3, 7) for n in range(6)]
    changed = {
        "shift": [np.roll(frame, 3, axis=1) for frame in real],
        "blacken": [frame * np.uint8(n % 2) for n, frame in enumerate(real)],
        "darken": [frame // 2 for frame in real],
    }[change]
    write_frames(tmp_path / "r" / "a", real)
    write_frames(tmp_path / "same" / "a", real)
    write_frames(tmp_path / "changed" / "a", changed)
    keys = ("l1", "psnr", "ssim", "akd", "mkr", "aed")
    same = document_of("metrics", tmp_path / "r", tmp_path / "same", *SQUARES)
    found = document_of("metrics", tmp_path / "r", tmp_path / "changed", *SQUARES)
    differing = {key for key in keys if found[key] != same[key]}
    assert differing | {"psnr"} == moved  # black frames leave the PSNR of a set infinite
    if change == "shift":
        assert found["akd"] == 1.5  # 3 px in x, none in y
    if change == "blacken":
        assert found["mkr"] == 0.5
    if change == "darken":
        assert found["aed"] == pytest.approx((1 - 127 / 255) ** 2)


def test_a_frame_is_measured_once_in_all_runs(squares: tuple[Path, Path], known: Path) -> None:
    """14 real frames are 5 pictures; of the generated ones, those of video 0 are among them."""
    first = output_of("metrics", *squares, *SQUARES, "--json")
    assert sum(known_extractors.MEASURED) == 2 * (5 + 3 + 4 + 4 + 1)
    known_extractors.MEASURED.clear()
    assert output_of("metrics", *squares, *SQUARES, "--json", "--batch-size", 3) == first
    assert known_extractors.MEASURED == []


def test_lines_with_keypoints(squares: tuple[Path, Path], known: Path) -> None:
    lines = output_of("metrics", *squares, *SQUARES).splitlines()
    assert lines[1].endswith("  akd 0.500  mkr 0.0000  aed 0.00002")
    assert lines[5].startswith("mean of 14 frames  l1 ")
    assert "  mkr 0.0714 [0.0000, 0." in lines[5]
    assert lines[6:] == [
        "frames with keypoints  100.0% of real, 92.9% of generated",
        "frames with identity  100.0% of real, 92.9% of generated",
    ]


def test_a_table_of_videos(squares: tuple[Path, Path], known: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    document = document_of("metrics", *squares, *SQUARES, "--csv", path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["v0", "v1", "v2", "v3", "(all)"]
    assert float(rows[-1]["akd"]) == document["akd"]
    assert rows[0]["psnr"] == rows[-1]["fid"] == ""
    assert_fails(3, "metrics", *squares, *PIXELS_ONLY, "--csv", path, words="already exists")
    output_of("metrics", *squares, *PIXELS_ONLY, "--csv", path, "--force")
    assert "akd" in path.read_text()


def test_auto_leaves_out_in_one_line_each(
    squares: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    result = run("metrics", *squares, "--json")
    assert result.exit_code == 0
    keypoints, identity = result.stderr.splitlines()
    assert keypoints.startswith("AKD and MKR: left out; faces: no extractor of that name;")
    assert keypoints.endswith("; choose one with --keypoints")
    assert identity.startswith("AED: left out; faces-dlib: no extractor of that name;")
    assert identity.endswith("; choose one with --identity")
    document = json.loads(result.stdout)
    assert (document["akd"], document["mkr"], document["aed"]) == (None, None, None)
    assert document["coverage"] == {}


def test_auto_says_what_it_chose(
    squares: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("faces-dlib", SQUARE, registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    result = run("metrics", *squares, "--json")
    assert result.stderr.splitlines() == [
        "AKD and MKR: by square, for it finds a face in most frames",
        "AED: by square, for it finds a face in most frames",
    ]
    assert json.loads(result.stdout)["akd"] is not None


def test_losses_on_one_side_are_said(tmp_path: Path) -> None:
    video = write_test_video(tmp_path / "a.mp4", frames=2)
    frames = write_frames(tmp_path / "whole" / "a", [np.zeros((48, 64, 3), np.uint8)] * 2)
    result = run("metrics", frames, frames, *PIXELS_ONLY)
    assert result.stderr == ""
    (tmp_path / "coded").mkdir()
    video.rename(tmp_path / "coded" / "a.mp4")
    result = run("metrics", tmp_path / "whole", tmp_path / "coded", *PIXELS_ONLY)
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1
    assert "a.mp4: has coding losses" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--keypoints", "sqare"], "did you mean square?"),
        (["--keypoints", "square?size"], "expected options as NAME?KEY=VALUE"),
        (["--keypoints", "broken"], "cannot be loaded"),
    ],
)
def test_an_extractor_that_cannot_be_opened(
    squares: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    points = [
        EntryPoint("square", SQUARE, registry.GROUP),
        EntryPoint("broken", "no_such_module:open", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    assert_fails(4, "metrics", *squares, "--identity", "none", *options, words=words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "expected two, got 1"),
        (["a", "b", "c"], "expected two, got 3"),
        (["a", "b", "--weights", "lpips=a.pth"], "needs --lpips"),
        (["a", "b", "--lpips", "--weights", "lpips"], "expected lpips=PATH"),
        (["a", "b", "--weights", "vgg=a.pth"], "expected lpips=PATH"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = run("metrics", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())


def test_runs_in_one_table(squares: tuple[Path, Path], tmp_path: Path) -> None:
    for name, generated in (("same", squares[0]), ("other", squares[1])):  # PSNR: inf in both
        text = output_of("metrics", squares[0], generated, *PIXELS_ONLY, "--json")
        (tmp_path / f"{name}.json").write_text(text)
    given = [f"ours={tmp_path / 'same.json'}", tmp_path / "other.json"]
    lines = output_of("metrics", "--compare", *given).splitlines()
    assert lines[0].split() == ["L1", "↓", "SSIM", "↑"]
    assert lines[1].split() == ["ours", "0.00000*", "1.00000*"]
    markdown = output_of("metrics", "--compare", *given, "--format", "markdown")
    assert "| ours | **0.00000** |" in markdown
    assert r"\textbf{0.00000}" in output_of("metrics", "--compare", *given, "--format", "latex")
    best = [row["best"] for row in document_of("metrics", "--compare", *given)["rows"]]
    assert best == [["l1", "ssim"], []]


def test_runs_measured_otherwise_are_said(
    squares: tuple[Path, Path], tmp_path: Path, known: Path
) -> None:
    document = document_of("metrics", *squares, *SQUARES)
    for name in ("a", "b"):
        document["extractors"]["keypoints"]["weights"] = name
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    result = run("metrics", "--compare", tmp_path / "a.json", tmp_path / "b.json")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "a and b: AKD, MKR measured with other extractors or weights; do not compare them"
    ]
    assert_fails(3, "metrics", "--compare", tmp_path / "c.json", words="cannot be read")


def processes(known: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which starts two."""
    paths = [str(known), str(Path(known_extractors.__file__).parents[1])]
    command = [sys.executable, "-m", "cpabmm_cli", "metrics", *map(str, arguments)]
    return subprocess.run(
        [*command, "--processes", "2", "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_two_processes_print_the_figures_of_one(squares: tuple[Path, Path], known: Path) -> None:
    """Among them a line about frames that were cut, which the second process sees."""
    write_frames(squares[0] / "v9", [np.zeros((24, 30, 3), np.uint8)])
    write_frames(squares[1] / "v9", [np.zeros((16, 16, 3), np.uint8)])
    alone = run("metrics", *squares, *SQUARES, "--json")
    result = processes(known, *squares, *SQUARES, "--json")
    assert result.returncode == 0, result.stderr
    assert result.stdout == alone.stdout
    assert result.stderr == alone.stderr
    assert "its centred square is compared" in result.stderr


def test_an_error_in_one_process_ends_all_with_one_line(
    squares: tuple[Path, Path], known: Path
) -> None:
    (squares[1] / "v1" / "0.png").unlink()
    result = processes(known, *squares, *SQUARES)
    assert (result.returncode, result.stdout) == (3, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "v1: has 3 frames" in line


@pytest.mark.usefixtures("known")
def test_what_a_licence_forbids_is_said_once(
    squares: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = ExtractorInfo("square", "1", "none", "nothing", terms="not for circles")
    monkeypatch.setattr(known_extractors.Square, "info", info)
    lines = run("metrics", *squares, *SQUARES).stderr.splitlines()
    assert lines.count("square: not for circles") == 1
