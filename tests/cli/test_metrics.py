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

from cpabmm_core.device import is_cpu
from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.extractors import ExtractorInfo, registry
from cpabmm_core.metrics.metric_info import METRICS

PIXELS_ONLY = ("--keypoints", "none", "--identity", "none")
SQUARE = "_helpers.known_extractors:open_square"
SQUARES = ("--keypoints", "square", "--identity", "square")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPABMM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the extractor ``square``, and return the folder with its metadata."""
    folder = known_extractors.install(tmp_path / "installed")
    monkeypatch.syspath_prepend(folder)
    known_extractors.BATCHES.clear()
    return folder


@pytest.fixture
def squares(tmp_path: Path) -> tuple[Path, Path]:
    """Videos k of k + 2 frames, with a square shifted right by k pixels and darker by k levels.

    The last generated frame of video 3 is black.
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
    """Images a and b: a differs by 51 of 255 everywhere, b is identical."""
    real, generated = tmp_path / "real", tmp_path / "generated"
    for folder, a in ((real, 100), (generated, 151)):
        folder.mkdir()
        write_image(folder / "a.png", np.full((16, 16, 3), a, dtype=np.uint8))
        write_image(folder / "b.png", np.full((16, 16, 3), 30, dtype=np.uint8))
    return real, generated


def test_json_contains_videos_and_means(folders: tuple[Path, Path]) -> None:
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


def test_text_has_a_line_per_video(folders: tuple[Path, Path]) -> None:
    lines = output_of("metrics", *folders, *PIXELS_ONLY).splitlines()
    assert lines[0].startswith("a  l1 0.20000  psnr 13.979  ssim ")
    assert lines[1] == "b  l1 0.00000  psnr inf  ssim 1.00000"
    assert lines[2].startswith("mean of 2 videos  l1 0.10000 [0.00000, 0.20000]  psnr inf  ssim ")
    assert lines[3:] == ["mean of 2 frames  l1 0.10000 [0.00000, 0.20000]"]


def test_l1_averages_frames_and_l1_videos_averages_videos(tmp_path: Path) -> None:
    """One frame differs by 51 of 255, three are identical."""
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
    keys = {metric.key for metric in METRICS}
    assert set(document) == {*keys, "intervals", "coverage", "extractors", "videos"}
    lines = output_of("metrics", real, generated, *PIXELS_ONLY).splitlines()
    assert lines[2].startswith("mean of 2 videos  l1 0.10000 [")
    assert lines[3].startswith("mean of 4 frames  l1 0.05000 [")


def test_two_videos_are_compared_frame_by_frame(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=3)
    document = document_of("metrics", path, path, *PIXELS_ONLY)
    assert "mean of 1 video  l1" in output_of("metrics", path, path, *PIXELS_ONLY)
    assert (document["l1"], document["ssim"]) == (0, 1)
    assert document["videos"][0]["frames"] == 3


def test_reconstructions_are_compared_with_the_centred_square(
    tmp_path: Path, checkpoint: Path
) -> None:
    """Agrees with the score of `reconstruct`, up to compression of its output."""
    video = write_test_video(tmp_path / "a.mp4", frames=3)
    reconstruction = document_of(
        "reconstruct", video, "-o", tmp_path / "out", "--checkpoint", checkpoint
    )
    result = run("metrics", video, tmp_path / "out" / "a.mp4", "--json", *PIXELS_ONLY)
    assert json.loads(result.stdout)["l1"] == pytest.approx(reconstruction["l1"], abs=0.02)
    assert "a.mp4: is 64 x 48; its centred square is compared at 32 x 32\n" in result.stderr


def test_mismatches_have_exit_code_3(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one = write_test_video(tmp_path / "a.mp4", frames=3)
    other = write_test_video(tmp_path / "b.mp4", frames=4)
    small = write_test_video(tmp_path / "c.mp4", frames=3, size=(32, 24))
    assert_fails(3, "metrics", one, other, *PIXELS_ONLY, words="equal length")
    assert_fails(3, "metrics", one, small, *PIXELS_ONLY, words="resize one of them")
    assert_fails(3, "metrics", one, tmp_path / "nowhere.mp4", words="no such file")
    assert_fails(3, "metrics", one, folders[0], words="two files or two folders")
    (folders[1] / "b.png").unlink()
    assert_fails(3, "metrics", *folders, words="lacks b")


def test_values_of_an_exact_extractor(squares: tuple[Path, Path], installed: Path) -> None:
    document = document_of("metrics", *squares, *SQUARES)
    counts, shifts = np.array([2, 3, 4, 4]), np.arange(4)
    assert document["akd"] == pytest.approx((counts * shifts / 2).sum() / counts.sum())
    assert document["mkr"] == pytest.approx(1 / 14)
    assert document["aed"] == pytest.approx((counts * (shifts / 255) ** 2).sum() / counts.sum())
    assert document["coverage"] == {
        role: {"real": 1, "generated": 13 / 14} for role in ("keypoints", "identity")
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


def test_identical_folders_have_perfect_values(squares: tuple[Path, Path], installed: Path) -> None:
    document = document_of("metrics", squares[0], squares[0], *SQUARES)
    perfect = {"l1": 0, "l1_videos": 0, "psnr": None, "ssim": 1, "akd": 0, "mkr": 0, "aed": 0}
    assert {key: document[key] for key in perfect} == perfect
    assert document["intervals"]["ssim"] == [1, 1]


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ("shift", {"l1", "psnr", "ssim", "akd"}),
        ("blacken", {"l1", "psnr", "ssim", "mkr"}),
        ("darken", {"l1", "psnr", "ssim", "aed"}),
    ],
)
def test_a_corruption_affects_the_expected_metrics(
    tmp_path: Path, installed: Path, change: str, affected: set[str]
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
    assert differing | {"psnr"} == affected  # identical frames keep the PSNR infinite
    if change == "shift":
        assert found["akd"] == 1.5  # 3 px in x, none in y
    if change == "blacken":
        assert found["mkr"] == 0.5
    if change == "darken":
        assert found["aed"] == pytest.approx((1 - 127 / 255) ** 2)


def test_extractors_run_once_per_distinct_frame(
    squares: tuple[Path, Path], installed: Path
) -> None:
    """The 14 real frames are 5 distinct images, which include the generated ones of video 0."""
    first = output_of("metrics", *squares, *SQUARES, "--json")
    assert sum(known_extractors.BATCHES) == 2 * (5 + 3 + 4 + 4 + 1)
    known_extractors.BATCHES.clear()
    assert output_of("metrics", *squares, *SQUARES, "--json", "--batch-size", 3) == first
    assert known_extractors.BATCHES == []


def test_text_contains_keypoints_and_coverage(squares: tuple[Path, Path], installed: Path) -> None:
    lines = output_of("metrics", *squares, *SQUARES).splitlines()
    assert lines[1].endswith("  akd 0.500  mkr 0.0000  aed 0.00002")
    assert lines[5].startswith("mean of 14 frames  l1 ")
    assert "  mkr 0.0714 [0.0000, 0." in lines[5]
    assert lines[6:] == [
        "frames with keypoints  100.0% of real, 92.9% of generated",
        "frames with identity  100.0% of real, 92.9% of generated",
    ]


def test_csv(squares: tuple[Path, Path], installed: Path, tmp_path: Path) -> None:
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


def test_auto_explains_skipped_metrics(
    squares: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    result = run("metrics", *squares, "--json")
    assert result.exit_code == 0
    keypoints, identity = result.stderr.splitlines()
    assert keypoints.startswith("AKD and MKR: skipped; faces: unknown extractor;")
    assert keypoints.endswith("; choose one with --keypoints")
    assert identity.startswith("AED: skipped; faces-dlib: unknown extractor;")
    assert identity.endswith("; choose one with --identity")
    document = json.loads(result.stdout)
    assert (document["akd"], document["mkr"], document["aed"]) == (None, None, None)
    assert document["coverage"] == {}


def test_auto_announces_its_choice(
    squares: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("faces-dlib", SQUARE, registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    result = run("metrics", *squares, "--json")
    assert result.stderr.splitlines() == [
        "AKD and MKR: by square, because it finds a face in most frames",
        "AED: by square, because it finds a face in most frames",
    ]
    assert json.loads(result.stdout)["akd"] is not None


def test_mixed_coding_causes_one_warning(tmp_path: Path) -> None:
    video = write_test_video(tmp_path / "a.mp4", frames=2)
    frames = write_frames(tmp_path / "whole" / "a", [np.zeros((48, 64, 3), np.uint8)] * 2)
    result = run("metrics", frames, frames, *PIXELS_ONLY)
    assert result.stderr == ""
    (tmp_path / "coded").mkdir()
    video.rename(tmp_path / "coded" / "a.mp4")
    result = run("metrics", tmp_path / "whole", tmp_path / "coded", *PIXELS_ONLY)
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1
    assert "a.mp4 is lossy" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--keypoints", "sqare"], "did you mean square?"),
        (["--keypoints", "square?size"], "expected options as NAME?KEY=VALUE"),
        (["--keypoints", "broken"], "cannot be loaded"),
    ],
)
def test_errors_of_extractors_have_exit_code_4(
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
        (["a"], "expected two paths, got 1"),
        (["a", "b", "c"], "expected two paths, got 3"),
        (["a", "b", "--weights", "lpips=a.pth"], "needs --lpips"),
        (["a", "b", "--lpips", "--weights", "lpips"], "expected lpips=PATH"),
        (["a", "b", "--weights", "vgg=a.pth"], "expected lpips=PATH"),
    ],
)
def test_wrong_usage_has_exit_code_2(arguments: list[str], words: str) -> None:
    result = run("metrics", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())


def test_compare_prints_one_table(squares: tuple[Path, Path], tmp_path: Path) -> None:
    for name, generated in (
        ("same", squares[0]),
        ("other", squares[1]),
    ):  # PSNR is infinite in both
        text = output_of("metrics", squares[0], generated, *PIXELS_ONLY, "--json")
        (tmp_path / f"{name}.json").write_text(text)
    sources = [f"ours={tmp_path / 'same.json'}", tmp_path / "other.json"]
    lines = output_of("metrics", "--compare", *sources).splitlines()
    assert lines[0].split() == ["L1", "↓", "SSIM", "↑"]
    assert lines[1].split() == ["ours", "0.00000*", "1.00000*"]
    markdown = output_of("metrics", "--compare", *sources, "--format", "markdown")
    assert "| ours | **0.00000** |" in markdown
    assert r"\textbf{0.00000}" in output_of("metrics", "--compare", *sources, "--format", "latex")
    best = [row["best"] for row in document_of("metrics", "--compare", *sources)["rows"]]
    assert best == [["l1", "ssim"], []]


def test_compare_warns_of_different_extractors(
    squares: tuple[Path, Path], tmp_path: Path, installed: Path
) -> None:
    document = document_of("metrics", *squares, *SQUARES)
    for name in ("a", "b"):
        document["extractors"]["keypoints"]["weights"] = name
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    result = run("metrics", "--compare", tmp_path / "a.json", tmp_path / "b.json")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "a and b: AKD and MKR come from different extractors or weights; do not compare them"
    ]
    assert_fails(3, "metrics", "--compare", tmp_path / "c.json", words="cannot be read")


def run_two_processes(installed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a subprocess that starts two processes."""
    paths = [str(installed), str(Path(known_extractors.__file__).parents[1])]
    command = [sys.executable, "-m", "cpabmm_cli", "metrics", *map(str, arguments)]
    # Where the CPU is the default device, the processes must connect without being told.
    device = () if is_cpu("auto") else ("--device", "cpu")
    return subprocess.run(
        [*command, "--processes", "2", *device],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_two_processes_print_the_same_output_as_one(
    squares: tuple[Path, Path], installed: Path
) -> None:
    """The output includes a status message of the second process, about cropped frames."""
    write_frames(squares[0] / "v9", [np.zeros((24, 30, 3), np.uint8)])
    write_frames(squares[1] / "v9", [np.zeros((16, 16, 3), np.uint8)])
    alone = run("metrics", *squares, *SQUARES, "--json")
    result = run_two_processes(installed, *squares, *SQUARES, "--json")
    assert result.returncode == 0, result.stderr
    assert result.stdout == alone.stdout
    assert result.stderr == alone.stderr
    assert "its centred square is compared" in result.stderr


def test_an_error_in_one_process_stops_all_with_one_line(
    squares: tuple[Path, Path], installed: Path
) -> None:
    (squares[1] / "v1" / "0.png").unlink()
    result = run_two_processes(installed, *squares, *SQUARES)
    assert (result.returncode, result.stdout) == (3, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "v1: has 3 frames" in line


@pytest.mark.usefixtures("installed")
def test_licence_terms_are_printed_once(
    squares: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = ExtractorInfo("square", "1", "none", "nothing", terms="not for circles")
    monkeypatch.setattr(known_extractors.Square, "info", info)
    lines = run("metrics", *squares, *SQUARES).stderr.splitlines()
    assert lines.count("square: not for circles") == 1
