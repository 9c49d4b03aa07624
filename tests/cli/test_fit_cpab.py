import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.command_line import (
    assert_fails,
    assert_leaves_no_file,
    document_of,
    output_of,
    run,
    run_with_input,
)
from _helpers.odd_files import points as odd

from cpabmm_core import cpab
from cpabmm_core.cpab import FitResult, Tessellation, VelocitySpace, fit, transform
from cpabmm_core.media.image import read_image, write_image
from cpabmm_core.pointsets import fits

SOURCE = [[0.3, 0.3], [0.7, 0.3], [0.5, 0.6], [0.2, 0.8]]
TARGET = [[0.25, 0.35], [0.75, 0.25], [0.5, 0.7], [0.25, 0.8]]
PAIRS: dict[str, Any] = {"source": SOURCE, "target": TARGET}
HEADER = "source_x,source_y,target_x,target_y"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(PAIRS))
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Three sets of 4, 2 and 1 pairs that count; the second has no name."""
    path = tmp_path / "many.json"
    sets = [
        {"name": "walk", **PAIRS},
        {"source": SOURCE[:2], "target": TARGET[:2]},
        {
            "name": "one",
            "source": [[0.5, 0.5], [None, None]],
            "target": [[0.6, 0.5], [9, 9]],
            "weights": [1, 0],
        },
    ]
    path.write_text(json.dumps(sets))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    write_image(path, np.full((40, 60, 3), 200, dtype=np.uint8))
    return path


def moved_by(document: dict[str, Any], index: int, points: list[list[float]]) -> np.ndarray:
    """Move points by a transformation of the document, with the library."""
    space = VelocitySpace(
        Tessellation(*document["cells"]), document["boundary"], document["volume_preserving"]
    )
    theta = torch.tensor([document["transformations"][index]["theta"]], dtype=torch.float64)
    return transform(space, theta, torch.tensor([points], dtype=torch.float64))[0].numpy()


@pytest.mark.parametrize(
    ("options", "cells", "boundary", "volume_preserving", "dim"),
    [
        ([], [4, 4], "free", False, 58),
        (["--cells", "6"], [6, 6], "free", False, 130),
        (["--cells", "6x4", "--boundary", "zero"], [6, 4], "zero", False, 94),
        (["--volume-preserving"], [4, 4], "free", True, 15),
    ],
)
def test_theta_and_the_space_reproduce_the_transformation(
    pairs: Path,
    options: list[str],
    cells: list[int],
    boundary: str,
    volume_preserving: bool,
    dim: int,
) -> None:
    document = document_of("fit-cpab", pairs, *options)
    assert document["cells"] == cells
    assert document["boundary"] == boundary
    assert document["volume_preserving"] is volume_preserving
    (fitted,) = document["transformations"]
    assert len(fitted["theta"]) == dim
    distances = np.linalg.norm(moved_by(document, 0, SOURCE) - TARGET, axis=1)
    assert fitted["residual"]["mean"] == pytest.approx(distances.mean(), abs=1e-9)
    assert fitted["residual"]["max"] == pytest.approx(distances.max(), abs=1e-9)


def test_the_fit_is_close_and_converges(pairs: Path) -> None:
    document = document_of("fit-cpab", pairs)
    (fitted,) = document["transformations"]
    assert fitted["name"] == "1"
    assert fitted["residual"]["max"] < 0.02
    assert fitted["converged"] is True
    assert fitted["iterations"] > 0
    assert document["solver"] == "gauss-newton"
    assert document["huber"] is None
    assert document["outputs"] == document["plots"] == []


def test_each_set_is_fitted_independently(many: Path, tmp_path: Path) -> None:
    together = document_of("fit-cpab", many)
    assert [t["name"] for t in together["transformations"]] == ["walk", "2", "one"]
    alone = tmp_path / "alone.json"
    for index, (source, target) in enumerate(
        [(SOURCE, TARGET), (SOURCE[:2], TARGET[:2]), ([[0.5, 0.5]], [[0.6, 0.5]])]
    ):
        alone.write_text(json.dumps({"source": source, "target": target}))
        single = document_of("fit-cpab", alone)["transformations"][0]
        fitted = together["transformations"][index]
        np.testing.assert_allclose(fitted["theta"], single["theta"], atol=1e-5)
        assert fitted["residual"]["mean"] == pytest.approx(single["residual"]["mean"], abs=1e-6)


def test_options_reach_the_fit(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[dict[str, Any]] = []

    def spy(*arguments: torch.Tensor, **options: Any) -> FitResult:  # noqa: ANN401
        received.append({"solver": arguments[3], **options})
        return fit(*arguments[:3], weights=options["weights"])  # type: ignore[arg-type]

    monkeypatch.setattr(fits, "fit", spy)
    weights = tmp_path / "weights.txt"
    weights.write_text("1\n2\n0\n0.5\n")
    document = document_of("fit-cpab", pairs, "--weights", weights, "--huber", "0.05")
    assert document["huber"] == received[0]["huber"] == 0.05
    assert received[0]["weights"].tolist() == [[1, 2, 0, 0.5]]
    assert document_of("fit-cpab", pairs, "--solver", "adam")["solver"] == "adam"
    assert received[1]["solver"] == "adam"
    assert received[1]["huber"] is None
    assert received[1]["weights"].tolist() == [[1, 1, 1, 1]]


def test_a_pair_of_weight_0_has_no_influence(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    rows = [",".join(map(str, [*s, *t, 1])) for s, t in zip(SOURCE, TARGET, strict=True)]
    table.write_text("\n".join([f"{HEADER},weight", *rows, f"0.3,0.3,{TARGET[0][0] + 0.2},0.35,0"]))
    document = document_of("fit-cpab", table)
    (fitted,) = document["transformations"]
    (pulled,) = document_of("fit-cpab", table, "--weights", "none")["transformations"]
    distances = np.linalg.norm(moved_by(document, 0, SOURCE) - TARGET, axis=1)
    assert fitted["residual"]["max"] == pytest.approx(distances.max(), rel=1e-3)
    assert fitted["residual"]["mean"] == pytest.approx(distances.mean(), rel=1e-3)
    assert distances.max() < 0.02
    assert pulled["residual"]["max"] >= 0.1  # one point cannot move to two places 0.2 apart


def test_without_json_the_summary_is_printed(pairs: Path, many: Path) -> None:
    theta, residual, iterations = output_of("fit-cpab", pairs).splitlines()
    assert len(theta.split()) == 59
    assert re.fullmatch(r"residual mean [\d.]+ max [\d.]+, noise [\d.]+", residual)
    assert iterations.startswith("converged after ")
    lines = output_of("fit-cpab", many).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["walk", "2", "one"]
    assert all("residual mean" in line and "converged after" in line for line in lines)


def test_the_document_has_the_effective_noise(pairs: Path, tmp_path: Path) -> None:
    """It shows that the scale of the weights does not hand the fit to the prior."""
    (fitted,) = document_of("fit-cpab", pairs)["transformations"]
    moved = np.linalg.norm(np.subtract(TARGET, SOURCE), axis=1).max()
    assert 0 < fitted["noise"] < moved / 5
    weights = tmp_path / "weights.json"
    weights.write_text(json.dumps([1e-3] * len(SOURCE)))
    (small,) = document_of("fit-cpab", pairs, "--weights", weights)["transformations"]
    assert small["noise"] == fitted["noise"]
    assert small["theta"] == fitted["theta"]
    summary = output_of("fit-cpab", pairs)
    assert f", noise {fitted['noise']:.3g}\n" in summary
    (adam,) = document_of("fit-cpab", pairs, "--solver", "adam")["transformations"]
    assert adam["noise"] is None


def test_a_table_of_a_spreadsheet_is_fitted(tmp_path: Path) -> None:
    odd.make_german_pairs(tmp_path / "pairs.csv")
    document = document_of("fit-cpab", tmp_path / "pairs.csv")
    moved = moved_by(document, 0, odd.PAIRS[:, :2].tolist())
    np.testing.assert_allclose(moved, odd.PAIRS[:, 2:], atol=0.02)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("0 0 0 0", "all weights are 0; at least one pair must count"),
        ("1 1 -1 1", "the weight of pair 3 is -1; expected a number of at least 0"),
        ("1 nan 1 1", "the weight of pair 2 is nan; expected"),
        ("1 1 1 inf", "the weight of pair 4 is inf; expected"),
    ],
)
def test_weights_that_are_none_are_one_line(
    weights: str, words: str, pairs: Path, tmp_path: Path
) -> None:
    (tmp_path / "weights.txt").write_text(weights)
    result = run("fit-cpab", pairs, "--weights", tmp_path / "weights.txt")
    assert result.exit_code == 3
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_plot_of_many_pairs_takes_seconds(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((50_000, 2))
    np.savez(tmp_path / "pairs.npz", source=points, target=0.9 * points)
    start = time.process_time()
    output_of("fit-cpab", tmp_path / "pairs.npz", "--plot", tmp_path / "plot.png")
    assert time.process_time() - start < 20  # 3 s; 40 s with all arrows
    assert read_image(tmp_path / "plot.png").std() > 10


@pytest.mark.parametrize("text", [json.dumps(PAIRS), f"{HEADER}\n0.5,0.5,0.6,0.5\n"])
def test_the_content_of_stdin_determines_its_format(text: str) -> None:
    result = run_with_input(text.encode(), "fit-cpab", "-", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    pairs = PAIRS if text[0] == "{" else {"source": [[0.5, 0.5]], "target": [[0.6, 0.5]]}
    moved = moved_by(document, 0, pairs["source"])
    np.testing.assert_allclose(moved, pairs["target"], atol=0.02)


def test_an_archive_comes_through_stdin(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", source=[SOURCE, SOURCE], target=[TARGET, SOURCE])
    content = (tmp_path / "p.npz").read_bytes()
    result = run_with_input(content, "fit-cpab", "-", "--json")
    document = json.loads(result.stdout)
    np.testing.assert_allclose(moved_by(document, 0, SOURCE), TARGET, atol=0.02)
    np.testing.assert_allclose(moved_by(document, 1, SOURCE), SOURCE, atol=1e-6)


def test_pictures_are_written_and_their_paths_printed(
    pairs: Path, picture: Path, tmp_path: Path
) -> None:
    output, plot = tmp_path / "warped.png", tmp_path / "plot.png"
    printed = output_of("fit-cpab", pairs, "--image", picture, "-o", output, "--plot", plot)
    assert printed == f"{output}\n{plot}\n"
    warped = read_image(output)
    assert warped.shape == (40, 60, 3)
    assert (warped[20, 30] == 200).all()
    assert read_image(plot).shape[1] > 3 * read_image(plot).shape[0]


def test_each_set_has_its_pictures(many: Path, picture: Path, tmp_path: Path) -> None:
    output, plot = tmp_path / "warped.v2.png", tmp_path / "plot.png"
    options = ("--image", picture, "-o", output, "--plot", plot)
    document = document_of("fit-cpab", many, *options)
    names = ("walk", "2", "one")
    assert document["outputs"] == [str(tmp_path / f"warped.v2-{name}.png") for name in names]
    assert document["plots"] == [str(tmp_path / f"plot-{name}.png") for name in names]
    warped = [read_image(path) for path in document["outputs"]]
    assert (warped[2][:, :5] == 0).all()  # "one" moves everything to the right by a tenth
    assert (warped[2][:, 7:] == 200).all()
    assert (warped[0] != warped[2]).any()
    assert not output.exists()
    assert not plot.exists()


def test_an_identity_leaves_the_picture(picture: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "same.csv"
    pairs.write_text(f"{HEADER}\n0.5,0.5,0.5,0.5\n")
    output_of("fit-cpab", pairs, "--image", picture, "-o", tmp_path / "o.png")
    np.testing.assert_array_equal(read_image(tmp_path / "o.png"), read_image(picture))


def test_transparency_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = tmp_path / "same.csv"
    pairs.write_text(f"{HEADER}\n0.5,0.5,0.5,0.5\n")
    image = np.random.default_rng(0).integers(1, 256, (9, 7, 4), dtype=np.uint8)
    write_image(tmp_path / "rgba.png", image)
    output_of("fit-cpab", pairs, "--image", tmp_path / "rgba.png", "-o", tmp_path / "o.webp")
    output_of("fit-cpab", pairs, "--image", tmp_path / "rgba.png", "-o", tmp_path / "o.png")
    np.testing.assert_array_equal(read_image(tmp_path / "o.png", alpha=True), image)
    np.testing.assert_array_equal(
        read_image(tmp_path / "o.webp", alpha=True)[..., 3], image[..., 3]
    )
    monkeypatch.delattr(fits, "fit")  # the check comes before the fit
    arguments = ("fit-cpab", pairs, "--image", tmp_path / "rgba.png", "-o", tmp_path / "o.jpg")
    assert_fails(3, *arguments, words="transparency")
    assert not (tmp_path / "o.jpg").exists()


def test_the_document_is_written_without_a_picture(many: Path, tmp_path: Path) -> None:
    output = tmp_path / "theta.json"
    document = document_of("fit-cpab", many, "-o", output)
    assert document.pop("outputs") == [str(output)]
    assert document.pop("plots") == []
    assert json.loads(output.read_text()) == {"schema": 1, **document}


def test_a_plot_needs_no_picture(pairs: Path, tmp_path: Path) -> None:
    output_of("fit-cpab", pairs, "--plot", tmp_path / "plot.png")
    assert read_image(tmp_path / "plot.png").std() > 1


def test_bad_files_are_one_line_and_no_file(
    pairs: Path, many: Path, picture: Path, tmp_path: Path
) -> None:
    output = tmp_path / "o.png"
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "weights.txt").write_text("1\n2\n")
    for name, point in (("nan", [None, 0]), ("far", [200, 0])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"source": [point], "target": [[0, 0]]}))
    cases: list[tuple[tuple[object, ...], str]] = [
        ((tmp_path / "none.json",), "no such file"),
        ((tmp_path / "folder.json",), "is a folder"),
        ((tmp_path / "empty.csv",), "is empty"),
        ((tmp_path / "nan.json",), "not finite"),
        ((tmp_path / "far.json",), "divide pixel positions"),
        ((picture,), ".json, .csv or .npz"),
        ((pairs, "--weights", tmp_path / "none.txt"), "no such file"),
        ((pairs, "--weights", tmp_path / "weights.txt"), "expected 4 weights"),
        ((many, "--weights", tmp_path / "weights.txt"), "already has weights"),
        ((pairs, "--image", pairs, "-o", output), "not a readable image"),
        ((pairs, "--image", picture, "-o", picture), "input"),
        ((pairs, "--image", picture, "-o", tmp_path / "o.xyz"), "suffix"),
        ((pairs, "--image", picture, "-o", output, "--plot", tmp_path / "p.gif"), "suffix"),
        ((pairs, "--plot", tmp_path / "no" / "g.png"), "does not exist"),
        ((pairs, "-o", pairs, "--force"), "input"),
        ((pairs, "-o", output), "needs --image"),
    ]
    before = pairs.read_bytes()
    for arguments, words in cases:
        assert_leaves_no_file(tmp_path, failing(arguments, words))
    assert pairs.read_bytes() == before


def failing(arguments: tuple[object, ...], words: str) -> Callable[[], None]:
    return lambda: assert_fails(3, "fit-cpab", *arguments, words=words)


def test_an_empty_stdin_is_one_line() -> None:
    result = run_with_input(b"", "fit-cpab", "-")
    assert result.exit_code == 3
    assert result.stderr == "error: standard input: is empty; send .json, .csv or .npz content\n"


def test_either_all_files_are_written_or_none(many: Path, picture: Path, tmp_path: Path) -> None:
    kept = tmp_path / "o-one.png"
    kept.write_text("precious")
    arguments = ("fit-cpab", many, "--image", picture, "-o", tmp_path / "o.png")
    assert_leaves_no_file(
        tmp_path, lambda: assert_fails(3, *arguments, words="o-one.png: already exists")
    )
    assert kept.read_text() == "precious"
    output_of(*arguments, "--force")
    assert read_image(kept).shape == (40, 60, 3)


def test_a_failure_in_a_picture_leaves_no_file(
    many: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warp, calls = cpab.warp_image, []

    def fail_at_third(*arguments: Any) -> np.ndarray:  # noqa: ANN401
        calls.append(arguments)
        if len(calls) == 3:
            raise MemoryError
        return warp(*arguments)

    monkeypatch.setattr(cpab, "warp_image", fail_at_third)
    arguments = ("fit-cpab", many, "--image", picture, "-o", tmp_path / "o.png")
    assert_leaves_no_file(tmp_path, lambda: assert_fails(5, *arguments, words="out of memory"))
    assert len(calls) == 3


def test_a_name_cannot_lead_to_another_folder(tmp_path: Path, picture: Path) -> None:
    sets = [{"name": name, **PAIRS} for name in ("../a", "b")]
    (tmp_path / "sets.json").write_text(json.dumps(sets))
    arguments = (tmp_path / "sets.json", "--image", picture, "-o", tmp_path / "o.png")
    assert_leaves_no_file(
        tmp_path.parent, lambda: assert_fails(3, "fit-cpab", *arguments, words="'../a'")
    )


def test_two_outputs_cannot_be_one_file(pairs: Path, picture: Path, tmp_path: Path) -> None:
    same = tmp_path / "o.png"
    assert run("fit-cpab", pairs, "--image", picture, "-o", same, "--plot", same).exit_code == 2
    (tmp_path / "sets.json").write_text(
        json.dumps([{"name": name, **PAIRS} for name in ("a", "A")])
    )
    assert run("fit-cpab", tmp_path / "sets.json", "--plot", same).exit_code == 2
    assert not list(tmp_path.glob("o*"))


@pytest.mark.parametrize(
    "options",
    [
        ["--image", "picture.png"],
        ["--cells", "0"],
        ["--cells", "4x"],
        ["--cells", "4x17"],
        ["--cells", "four"],
        ["--solver", "newton"],
        ["--boundary", "open"],
        ["--huber", "0"],
        ["--huber", "nan"],
        ["--huber", "0.1", "--solver", "adam"],
        ["--cells", "1", "--boundary", "zero", "--volume-preserving"],
        ["--inverse"],
    ],
)
def test_usage_errors(pairs: Path, options: list[str]) -> None:
    result = run("fit-cpab", pairs, *options)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert options[0] in result.stderr


def test_keypoints_are_required() -> None:
    result = run("fit-cpab")
    assert result.exit_code == 2
    assert "KEYPOINTS" in result.stderr
