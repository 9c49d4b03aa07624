import json
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.command_line import assert_fails, document_of, output_of, run

import cpabmm_core.cpab
from cpabmm_core.cpab import FitResult, Tessellation, VelocitySpace, fit, transform
from cpabmm_core.media.image import read_image, write_image

SOURCE = [[0.3, 0.3], [0.7, 0.3], [0.5, 0.6], [0.2, 0.8]]
TARGET = [[0.25, 0.35], [0.75, 0.25], [0.5, 0.7], [0.25, 0.8]]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps({"source": SOURCE, "target": TARGET}))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    write_image(path, np.full((40, 60, 3), 200, dtype=np.uint8))
    return path


@pytest.mark.parametrize(
    ("options", "cells", "boundary", "volume_preserving", "dim"),
    [
        ([], 4, "free", False, 58),
        (["--cells", "6"], 6, "free", False, 130),
        (["--boundary", "zero"], 4, "zero", False, 62),
        (["--volume-preserving"], 4, "free", True, 15),
    ],
)
def test_theta_and_the_tessellation_give_the_transformation_back(
    pairs: Path, options: list[str], cells: int, boundary: str, volume_preserving: bool, dim: int
) -> None:
    document = document_of("fit-cpab", pairs, *options)
    assert document["cells"] == cells
    assert document["boundary"] == boundary
    assert document["volume_preserving"] is volume_preserving
    assert len(document["theta"]) == dim
    space = VelocitySpace(Tessellation(cells, cells), boundary, volume_preserving)  # type: ignore[arg-type]
    theta = torch.tensor([document["theta"]], dtype=torch.float64)
    moved = transform(space, theta, torch.tensor([SOURCE], dtype=torch.float64))[0].numpy()
    distances = np.linalg.norm(moved - TARGET, axis=1)
    assert document["residual"]["mean"] == pytest.approx(distances.mean(), abs=1e-9)
    assert document["residual"]["max"] == pytest.approx(distances.max(), abs=1e-9)


def test_the_fit_is_close_and_converges(pairs: Path) -> None:
    document = document_of("fit-cpab", pairs)
    assert document["residual"]["max"] < 2e-3
    assert document["converged"] is True
    assert document["iterations"] > 0
    assert document["solver"] == "gauss-newton"
    assert document["output"] is None


def test_the_papers_solver_can_be_asked_for(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def spy(
        space: VelocitySpace, source: torch.Tensor, target: torch.Tensor, solver: str
    ) -> FitResult:
        asked.append(solver)
        return fit(space, source, target)

    monkeypatch.setattr(cpabmm_core.cpab, "fit", spy)
    document = document_of("fit-cpab", pairs, "--solver", "adam")
    assert asked == [document["solver"]] == ["adam"]


def test_without_json_the_figures_are_lines(pairs: Path) -> None:
    theta, residual, iterations = output_of("fit-cpab", pairs).splitlines()
    assert len(theta.split()) == 59
    assert residual.startswith("residual mean ")
    assert iterations.startswith("converged after ")


def test_pictures_are_written_and_their_paths_printed(
    pairs: Path, picture: Path, tmp_path: Path
) -> None:
    output, grid = tmp_path / "warped.png", tmp_path / "grid.png"
    printed = output_of("fit-cpab", pairs, "--image", picture, "-o", output, "--grid", grid)
    assert printed == f"{output}\n{grid}\n"
    warped = read_image(output)
    assert warped.shape == (40, 60, 3)
    assert (warped[20, 30] == 200).all()
    assert read_image(grid).shape[0] == 40
    assert read_image(grid).shape[1] > 120


def test_an_identity_leaves_the_picture(picture: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "same.csv"
    pairs.write_text("source_x,source_y,target_x,target_y\n0.5,0.5,0.5,0.5\n")
    output_of("fit-cpab", pairs, "--image", picture, "-o", tmp_path / "o.png")
    np.testing.assert_array_equal(read_image(tmp_path / "o.png"), read_image(picture))


def test_without_a_picture_the_document_is_written(pairs: Path, tmp_path: Path) -> None:
    output = tmp_path / "theta.json"
    document = document_of("fit-cpab", pairs, "-o", output)
    assert json.loads(output.read_text()) == {"schema": 1, **document}
    assert document["output"] == str(output)


def test_a_grid_needs_no_picture(pairs: Path, tmp_path: Path) -> None:
    output_of("fit-cpab", pairs, "--grid", tmp_path / "grid.png")
    assert read_image(tmp_path / "grid.png").std() > 1


def test_bad_files_are_one_line_and_no_file(pairs: Path, picture: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    output = tmp_path / "o.png"
    with_image = ("--image", picture, "-o", output)
    assert_fails(3, "fit-cpab", tmp_path / "none.json", words="no such file")
    assert_fails(3, "fit-cpab", picture, words=".json, .csv or .npz")
    assert_fails(3, "fit-cpab", pairs, "--image", pairs, "-o", output, words="not an image")
    assert_fails(3, "fit-cpab", pairs, "--image", picture, "-o", picture, words="input")
    assert_fails(3, "fit-cpab", pairs, *with_image[:2], "-o", tmp_path / "o.xyz", words="suffix")
    assert_fails(3, "fit-cpab", pairs, "--grid", tmp_path / "no" / "g.png", words="does not exist")
    assert_fails(3, "fit-cpab", pairs, "-o", pairs, "--force", words="input")
    assert sorted(tmp_path.iterdir()) == before


def test_output_and_grid_must_not_be_one_file(pairs: Path, picture: Path, tmp_path: Path) -> None:
    same = tmp_path / "o.png"
    assert run("fit-cpab", pairs, "--image", picture, "-o", same, "--grid", same).exit_code == 2
    assert not same.exists()


def test_usage_errors(pairs: Path, picture: Path) -> None:
    assert run("fit-cpab", pairs, "--image", picture).exit_code == 2
    assert run("fit-cpab", pairs, "--cells", "0").exit_code == 2
    assert run("fit-cpab", pairs, "--solver", "newton").exit_code == 2
