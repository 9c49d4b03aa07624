"""``fit-cpab --apply``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.command_line import (
    assert_fails,
    assert_leaves_no_file,
    document_of,
    output_of,
    run,
    run_with_input,
)
from _helpers.simple_fields import affine_field, translation

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.media.image import read_image, write_image
from cpabmm_core.pointsets.transformations import Transformation, Transformations

SPACE = VelocitySpace(Tessellation(3, 2))
POINTS = np.array([[0.1, 0.2], [0.5, 0.75], [1.0, 0.0]])
SHIFT = np.array([0.125, -0.25])
GROWTH = np.exp([0.5, -0.3])  # the flow of v = (x / 2, -0.3 y) for a unit of time


@pytest.fixture
def theta(tmp_path: Path) -> Path:
    """A document of one transformation, a translation by SHIFT."""
    return document_file(tmp_path / "theta.json", {"shift": translation(SPACE, *SHIFT)})


@pytest.fixture
def thetas(tmp_path: Path) -> Path:
    """A document of two transformations: SHIFT, and a growth along the axes."""
    growth = affine_field(SPACE, (0.5, 0, 0), (0, -0.3, 0))
    return document_file(
        tmp_path / "thetas.json", {"shift": translation(SPACE, *SHIFT), "grow": growth}
    )


@pytest.fixture
def points(tmp_path: Path) -> Path:
    path = tmp_path / "points.csv"
    path.write_text("x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in POINTS.tolist()))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    content = np.random.default_rng(0).integers(1, 256, (33, 41, 4), dtype=np.uint8)
    write_image(path, content)
    return path


def document_file(path: Path, thetas: dict[str, Any]) -> Path:
    document = Transformations(
        cells=(3, 2),
        boundary="free",
        volume_preserving=False,
        transformations=[
            Transformation(name=name, theta=theta[0].tolist()) for name, theta in thetas.items()
        ],
    )
    path.write_text(document.to_json())
    return path


def numbers(text: str) -> np.ndarray:
    return np.array([line.split() for line in text.splitlines()], dtype=float)


def test_points_are_moved_and_printed(theta: Path, points: Path) -> None:
    printed = output_of("fit-cpab", "--apply", theta, points)
    np.testing.assert_allclose(numbers(printed), POINTS + SHIFT, atol=1e-10)
    assert printed.endswith("\n")
    assert not printed.endswith("\n\n")


def test_the_inverse_moves_points_back(thetas: Path, theta: Path, points: Path) -> None:
    printed = output_of("fit-cpab", "--apply", theta, points, "--inverse")
    np.testing.assert_allclose(numbers(printed), POINTS - SHIFT, atol=1e-10)
    document = document_of("fit-cpab", "--apply", thetas, points, "--inverse")
    assert document["inverse"] is True
    moved = document["transformations"][1]["points"]
    np.testing.assert_allclose(moved, POINTS / GROWTH, atol=1e-9)


def test_several_transformations_are_labelled(thetas: Path, points: Path) -> None:
    document = document_of("fit-cpab", "--apply", thetas, points)
    assert document["inverse"] is False
    assert document["outputs"] == document["plots"] == []
    shift, grow = document["transformations"]
    assert (shift["name"], grow["name"]) == ("shift", "grow")
    np.testing.assert_allclose(shift["points"], POINTS + SHIFT, atol=1e-10)
    np.testing.assert_allclose(grow["points"], POINTS * GROWTH, atol=1e-9)
    first, second = output_of("fit-cpab", "--apply", thetas, points).split("\n\n")
    np.testing.assert_allclose(numbers(first), POINTS + SHIFT, atol=1e-10)
    np.testing.assert_allclose(numbers(second), POINTS * GROWTH, atol=1e-9)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz", ".txt"])
def test_the_suffix_determines_the_format_of_moved_points(
    theta: Path, points: Path, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / f"moved{suffix}"
    assert output_of("fit-cpab", "--apply", theta, points, "-o", output) == f"{output}\n"
    if suffix == ".json":
        document = json.loads(output.read_text())
        assert document["schema"] == 1
        moved = document["transformations"][0]["points"]
        np.testing.assert_allclose(moved, POINTS + SHIFT, atol=1e-10)
    else:
        back = output_of("fit-cpab", "--apply", theta, output, "--inverse")
        np.testing.assert_allclose(numbers(back), POINTS, atol=1e-10)


def test_another_picture_is_warped(theta: Path, picture: Path, tmp_path: Path) -> None:
    """A shift by whole pixels, 5 to the right and 8 up, needs no interpolation."""
    output = tmp_path / "warped.png"
    assert output_of("fit-cpab", "--apply", theta, "--image", picture, "-o", output) == (
        f"{output}\n"
    )
    content, warped = (read_image(path, alpha=True) for path in (picture, output))
    np.testing.assert_array_equal(warped[:-8, 5:], content[8:, :-5])
    assert not warped[:, :5].any()
    assert not warped[-8:].any()


def test_each_transformation_has_its_pictures(thetas: Path, picture: Path, tmp_path: Path) -> None:
    arguments = ("fit-cpab", "--apply", thetas, "--image", picture)
    document = document_of(*arguments, "-o", tmp_path / "w.png", "--plot", tmp_path / "p.png")
    assert document["outputs"] == [str(tmp_path / f"w-{name}.png") for name in ("shift", "grow")]
    assert document["plots"] == [str(tmp_path / f"p-{name}.png") for name in ("shift", "grow")]
    assert all(Path(path).exists() for path in document["outputs"] + document["plots"])


def test_the_path_of_a_plot_goes_to_stderr_if_points_are_printed(
    theta: Path, points: Path, tmp_path: Path
) -> None:
    result = run("fit-cpab", "--apply", theta, points, "--plot", tmp_path / "p.png")
    np.testing.assert_allclose(numbers(result.stdout), POINTS + SHIFT, atol=1e-10)
    assert result.stderr == f"{tmp_path / 'p.png'}\n"
    assert output_of("fit-cpab", "--apply", theta, "--plot", tmp_path / "q.png") == (
        f"{tmp_path / 'q.png'}\n"
    )


def test_theta_or_points_may_come_through_stdin(theta: Path, points: Path) -> None:
    for arguments, content in (
        (("--apply", theta, "-"), b"0.1 0.2\n"),
        (("--apply", theta, "-"), b"[[0.1, 0.2]]"),
        (("--apply", "-", points), theta.read_bytes()),
    ):
        result = run_with_input(content, "fit-cpab", *arguments)
        assert result.exit_code == 0, result.output
        np.testing.assert_allclose(numbers(result.stdout)[0], POINTS[0] + SHIFT, atol=1e-10)


def test_documents_pass_through_a_pipe_between_processes(tmp_path: Path) -> None:
    pairs = {"source": POINTS.tolist(), "target": (POINTS + 0.05).tolist()}
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    (tmp_path / "points.csv").write_text("x,y\n0.1,0.2\n")
    command = f"{sys.executable} -m cpabmm_cli fit-cpab"
    line = f"cat pairs.json | {command} - --json | {command} --apply - points.csv > moved.txt"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    moved = numbers((tmp_path / "moved.txt").read_text())
    np.testing.assert_allclose(moved, [[0.15, 0.25]], atol=0.01)


def test_a_wrong_document_is_one_line_and_no_file(
    theta: Path, points: Path, tmp_path: Path
) -> None:
    document = json.loads(theta.read_text())
    broken = tmp_path / "broken.json"
    for text, words in (
        (theta.read_text()[:40], "not valid JSON"),
        (json.dumps({**document, "schema": 7}), "schema is 7"),
        (json.dumps({**document, "cells": [4, 4]}), "but 4 x 4 cells"),
        (theta.read_text().replace('"theta":[', '"theta":[NaN,'), "finite"),
        (json.dumps({"source": [[0, 0]], "target": [[0, 0]]}), "not a document"),
    ):
        broken.write_text(text)
        arguments = ("fit-cpab", "--apply", broken, points, "-o", tmp_path / "o.csv")
        assert_fails(3, *arguments, words=f"{broken}: ")
        assert_fails(3, *arguments, words=words)
    assert not (tmp_path / "o.csv").exists()


def test_bad_points_and_outputs_are_one_line_and_no_file(
    theta: Path, points: Path, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "far.json").write_text("[[640, 480]]")

    def fail_all() -> None:
        apply = ("fit-cpab", "--apply", theta)
        assert_fails(3, *apply, tmp_path / "none.csv", words="no such file")
        assert_fails(3, *apply, tmp_path / "far.json", words="divide pixel positions")
        assert_fails(3, *apply, points, "-o", tmp_path / "o.xyz", words=".npz or .txt")
        assert_fails(3, *apply, points, "-o", theta, "--force", words="input")
        assert_fails(3, *apply, points, "-o", points, words="input")
        assert_fails(3, *apply, "--image", points, "-o", tmp_path / "o.png", words="readable image")
        assert_fails(3, *apply, "--image", picture, "-o", tmp_path / "o.bmp", words="transparency")

    assert_leaves_no_file(tmp_path, fail_all)


def test_usage_errors(theta: Path, points: Path, picture: Path, tmp_path: Path) -> None:
    output = tmp_path / "o.png"
    for arguments, words in (
        ((theta,), "POINTS"),
        ((theta, "-o", output), "POINTS"),
        ((theta, "--plot", output, "-o", tmp_path / "o.csv"), "POINTS"),
        ((theta, points, "--image", picture, "-o", output), "not both"),
        ((theta, "--image", picture), "-o OUT"),
        ((theta, points, "--cells", "4"), "--cells"),
        ((theta, points, "--volume-preserving"), "--volume-preserving"),
        ((theta, points, "--weights", "none"), "--weights"),
        (("-", "-"), "can be -"),
    ):
        result = run("fit-cpab", "--apply", *arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert result.stdout == ""
    assert not output.exists()
