import io
import json
from pathlib import Path

import numpy as np
import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_files import NumberFile, number_file
from cpabmm_core.pointsets.points import POINT_SUFFIXES, format_points, read_points

POINTS = np.array([[0.1, 0.2], [1 / 3, -0.25], [1.5, 0.0]])


def archive(name: str, array: np.ndarray) -> bytes:
    stream, arrays = io.BytesIO(), {name: array}
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".json", json.dumps(POINTS.tolist()).encode()),
        (".json", json.dumps({"points": POINTS.tolist(), "of": "a face"}).encode()),
        (".csv", "name,y,x\n" + "".join(f"a,{y!r},{x!r}\n" for x, y in POINTS.tolist())),
        (".csv", "".join(f"{x!r},{y!r}\n" for x, y in POINTS.tolist())),
        (".txt", "".join(f"{x!r} {y!r}\n" for x, y in POINTS.tolist())),
        (".npz", archive("points", POINTS)),
    ],
)
def test_every_format_gives_the_same_points(suffix: str, data: str | bytes) -> None:
    content = data if isinstance(data, bytes) else data.encode()
    np.testing.assert_array_equal(read_points(NumberFile("p", suffix, content)), POINTS)
    stream = number_file(content, "standard input", POINT_SUFFIXES)
    np.testing.assert_array_equal(read_points(stream), POINTS)


@pytest.mark.parametrize(
    ("suffix", "data", "words"),
    [
        (".json", b"[]", "one or more"),
        (".json", b"[1, 2]", "one or more"),
        (".json", b"[[1, 1, 1]]", "one or more"),
        (".json", b'{"source": [[0, 0]]}', "expected [[x, y], ...]"),
        (".json", b'{"points": null}', "one or more"),
        (".json", b"[[0, 0], [NaN, 0]]", "point 2 is (nan, 0), not finite"),
        (".json", b"[[0, 0], [20, 0]]", "point 2 is (20, 0), far outside"),
        (".json", b"[[0, 1e999]]", "not finite"),
        (".csv", b"u,v\n0,0\n", "columns x and y"),
        (".csv", b"x,y\n", "one or more"),
        (".csv", b"x,y\n0,one\n", "line 2: y is 'one'"),
        (".txt", b"0 0\n0 one\n", "line 2"),
        (".txt", b"0 0 0\n", "one or more"),
        (".npz", archive("source", POINTS), "array points"),
        (".npz", archive("points", np.array(["a", "b"])), "not a number"),
        (".npz", b"PK", "not a readable .npz"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(suffix: str, data: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_points(NumberFile("p", suffix, data))
    assert str(caught.value).startswith("p: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".txt"])
def test_one_set_round_trips(suffix: str) -> None:
    content = format_points(["1"], POINTS[None], suffix)
    back = read_points(NumberFile("p", suffix, content))
    np.testing.assert_allclose(back, POINTS, rtol=1e-11 if suffix == ".txt" else 0)


def test_several_sets_are_labelled() -> None:
    sets = np.stack([POINTS[:1], POINTS[2:]])
    table = format_points(["a, b", "c"], sets, ".csv").decode()
    assert table == 'pair,x,y\n"a, b",0.1,0.2\nc,1.5,0.0\n'
    assert format_points(["a, b", "c"], sets, ".txt") == b"0.1 0.2\n\n1.5 0\n"
    with np.load(io.BytesIO(format_points(["a, b", "c"], sets, ".npz"))) as arrays:
        np.testing.assert_array_equal(arrays["points"], sets)
        assert arrays["names"].tolist() == ["a, b", "c"]


def test_text_that_is_not_utf8_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="UTF-8"):
        read_points(NumberFile("p", ".txt", b"\xff"))
