import json
from pathlib import Path

import numpy as np
import pytest

from cpabmm_core.data.point_pairs import read_point_pairs
from cpabmm_core.errors import DataError

SOURCE = [[0.1, 0.2], [0.5, 0.5], [0.0, 1.0]]
TARGET = [[0.2, 0.2], [0.4, 0.5], [0.0, 0.9]]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_pairs(path: Path) -> Path:
    if path.suffix == ".npz":
        np.savez(path, source=np.array(SOURCE), target=np.array(TARGET))
        return path
    if path.suffix == ".json":
        return write(path, json.dumps({"source": SOURCE, "target": TARGET}))
    rows = [[*source, *target] for source, target in zip(SOURCE, TARGET, strict=True)]
    lines = ["source_x,source_y,target_x,target_y", *(",".join(map(str, row)) for row in rows)]
    return write(path, "\n".join(lines))


@pytest.mark.parametrize("name", ["pairs.json", "pairs.csv", "pairs.npz", "pairs.JSON"])
def test_every_format_gives_the_same_pairs(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_pairs(path.with_suffix(path.suffix.lower())).rename(path)
    pairs = read_point_pairs(path)
    np.testing.assert_array_equal(pairs.source, SOURCE)
    np.testing.assert_array_equal(pairs.target, TARGET)
    assert pairs.source.dtype == np.float64


def test_csv_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    text = "\ufefftarget_y, target_x, name, source_y, source_x\n0.4, 0.3, nose, 0.2, 0.1\n"
    pairs = read_point_pairs(write(tmp_path / "pairs.csv", text))
    np.testing.assert_array_equal(pairs.source, [[0.1, 0.2]])
    np.testing.assert_array_equal(pairs.target, [[0.3, 0.4]])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.txt", "", ".json, .csv or .npz"),
        ("p.json", "", "not valid JSON"),
        ("p.json", "[1, 2]", "expected {"),
        ("p.json", '{"source": [[0, 0]]}', "expected {"),
        ("p.json", '{"source": [], "target": []}', "one or more"),
        ("p.json", '{"source": [0, 0], "target": [0, 0]}', "one or more"),
        ("p.json", '{"source": [[0, 0, 0]], "target": [[0, 0, 0]]}', "one or more"),
        ("p.json", '{"source": [[0, 0], [0]], "target": [[0, 0]]}', "ragged"),
        ("p.json", '{"source": [["a", 0]], "target": [[0, 0]]}', "no number"),
        ("p.json", '{"source": [[null, 0]], "target": [[0, 0]]}', "NaN"),
        ("p.json", '{"source": [[NaN, 0]], "target": [[0, 0]]}', "NaN"),
        ("p.json", '{"source": [[0, 0]], "target": [[0, Infinity]]}', "NaN or infinity"),
        ("p.json", '{"source": [[0, 0], [1, 1]], "target": [[0, 0]]}', "2 source and 1 target"),
        ("p.json", '{"source": [[12, 200]], "target": [[0, 0]]}', "unit square"),
        ("p.json", '{"source": [[0, 0]], "target": [[-0.5, 0]]}', "unit square"),
        ("p.csv", "", "columns"),
        ("p.csv", "source_x,source_y\n0,0\n", "columns"),
        ("p.csv", "source_x,source_y,target_x,target_y\n", "one or more"),
        ("p.csv", "source_x,source_y,target_x,target_y\n0,0,0\n", "NaN"),
        ("p.csv", "source_x,source_y,target_x,target_y\n0,0,0,left\n", "no number"),
        ("p.npz", "not an archive", "not a readable .npz"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(DataError) as caught:
        read_point_pairs(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_point_pairs(tmp_path / "nowhere.json")


def test_text_that_is_not_utf8_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_point_pairs(tmp_path / "p.json")


@pytest.mark.parametrize("arrays", [{"source": np.zeros((1, 2))}, {"source": np.array([None])}])
def test_an_archive_without_plain_arrays_is_a_data_error(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    np.savez(tmp_path / "p.npz", allow_pickle=True, **arrays)
    with pytest.raises(DataError):
        read_point_pairs(tmp_path / "p.npz")
