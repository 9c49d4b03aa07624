import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import average_keypoint_distance
from cpabmm_core.metrics.extractors.precomputed import Kind, read_precomputed

NAMES = ("real/a", "generated/a", "real/b#c#1#9", "generated/b#c#1#9")


def arrays(kind: Kind, frames: int = 3) -> dict[str, np.ndarray]:
    """Values of two videos; the second frame of the first lacks a keypoint, or the subject."""
    rng = np.random.default_rng(0)
    shape = (frames, 4, 2) if kind == "keypoints" else (frames, 5)
    values = {name: rng.normal(20, 9, shape) for name in NAMES}
    values["real/a"][1, 2] = np.nan
    if kind == "identity":
        values["real/a"][1] = np.nan
    return values


def save_npz(path: Path, values: dict[str, Any]) -> Path:
    np.savez(path, **values)
    return path


def cells(numbers: np.ndarray, missing: str) -> list[str]:
    return [missing if np.isnan(number) else repr(float(number)) for number in numbers]


def save_csv(path: Path, values: dict[str, np.ndarray], *, missing: str = "") -> Path:
    """Lines in an order of their own, for the order must not matter."""
    lines = []
    for key, array in values.items():
        side, video = key.split("/")
        for frame, row in enumerate(array):
            if array.ndim == 2:
                lines.append(",".join([side, video, str(frame), *cells(row, missing)]))
                continue
            for joint, point in enumerate(row):
                lines.append(
                    ",".join([side, video, str(frame), str(joint), *cells(point, missing)])
                )
    np.random.default_rng(1).shuffle(lines)
    columns = "joint,x,y" if values["real/a"].ndim == 3 else "e0,e1,e2,e3,e4"
    path.write_text(f"set,video,frame,{columns}\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", ["keypoints", "identity"])
@pytest.mark.parametrize("form", ["npz", "csv", "csv with nan"])
def test_values_come_back_as_they_were_written(tmp_path: Path, kind: Kind, form: str) -> None:
    expected = arrays(kind)
    path = tmp_path / f"values.{form[:3]}"
    if form == "npz":
        save_npz(path, expected)
    else:
        save_csv(path, expected, missing="nan" if "nan" in form else "")
    values = read_precomputed(path, kind)
    for name in NAMES:
        side, video = name.split("/")
        found = values.values("real" if side == "real" else "generated", video, 3)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected[name])
    assert values.info.as_dict() == {
        "name": path.name,
        "version": "precomputed",
        "weights": hashlib.sha256(path.read_bytes()).hexdigest(),
        "options": {},
    }


def test_columns_and_blanks_may_stand_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "k.csv"
    path.write_bytes(
        b"\xef\xbb\xbfy, x, video, set, joint, frame\r\n\r\n"
        b'2, 1.5, "a,b", real, 0, 0\r\n4, , "a,b", real, 1, 0\r\n'
    )
    [frame] = read_precomputed(path, "keypoints").values("real", "a,b", 1)
    np.testing.assert_array_equal(frame, [[1.5, 2], [np.nan, np.nan]])


def test_missing_keypoints_are_nan_however_they_are_written(tmp_path: Path) -> None:
    written = np.array([[[-1.0, -1], [-1, 5], [np.nan, 4], [3, 4]]])
    path = save_npz(tmp_path / "k.npz", {"real/a": written, "generated/a": written + 100})
    found = read_precomputed(path, "keypoints").values("real", "a", 1)
    lost = [np.nan, np.nan]
    np.testing.assert_array_equal(found, [[lost, [-1, 5], lost, [3, 4]]])
    assert average_keypoint_distance(written, found).akd == 0
    identity = save_npz(tmp_path / "i.npz", {"real/a": -np.ones((2, 3))})
    assert (read_precomputed(identity, "identity").values("real", "a", 2) == -1).all()


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    path = save_npz(tmp_path / "k.npz", {"real/a": np.arange(8).reshape(2, 2, 2)})
    found = read_precomputed(path, "keypoints").values("real", "a", 2)
    np.testing.assert_array_equal(found, np.arange(8.0).reshape(2, 2, 2))


def error_of(path: Path, kind: Kind, video: str = "a", frames: int = 3) -> str:
    with pytest.raises(DataError) as caught:
        read_precomputed(path, kind).values("real", video, frames)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("form", ["npz", "csv"])
def test_missing_videos_and_frames_are_named(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"k.{form}"
    (save_npz if form == "npz" else save_csv)(path, arrays("keypoints"))
    assert error_of(path, "keypoints", "b#c#1#8") == "has no real/b#c#1#8; did you mean b#c#1#9?"
    assert (
        error_of(path, "keypoints", "xyz")
        == "has no real/xyz; add it, for it is to have all videos"
    )
    assert error_of(path, "keypoints", frames=4) == (
        "real/a: has 3 frames, the video 4; make them agree"
    )


@pytest.mark.parametrize(
    ("kind", "array", "trouble"),
    [
        ("keypoints", np.ones((3, 5)), "is of shape (3, 5), not (F, J, 2)"),
        ("keypoints", np.ones((3, 5, 3)), "is of shape (3, 5, 3), not (F, J, 2)"),
        ("keypoints", np.ones((3, 0, 2)), "is of shape (3, 0, 2), not (F, J, 2)"),
        ("identity", np.ones((3, 5, 2)), "is of shape (3, 5, 2), not (F, D)"),
        ("identity", np.ones(3), "is of shape (3,), not (F, D)"),
        ("identity", np.array(1.0), "is of shape (), not (F, D)"),
        ("identity", np.full((3, 2), np.inf), "holds infinity"),
        ("identity", np.array([[1, 2], [1, np.nan], [1, 2]]), "a frame is numbers in part"),
        ("identity", np.full((3, 2), "1"), "holds <U1, not numbers"),
        ("identity", np.ones((3, 2), dtype=complex), "holds complex128, not numbers"),
    ],
)
def test_arrays_of_another_kind_are_named(
    tmp_path: Path, kind: Kind, array: np.ndarray, trouble: str
) -> None:
    path = save_npz(tmp_path / "k.npz", {"real/a": array})
    assert error_of(path, kind).startswith(f"real/a: {trouble}")


def test_all_videos_have_as_many_keypoints(tmp_path: Path) -> None:
    path = save_npz(
        tmp_path / "k.npz", {"real/a": np.ones((3, 4, 2)), "generated/a": np.ones((3, 5, 2))}
    )
    values = read_precomputed(path, "keypoints")
    values.values("real", "a", 3)
    with pytest.raises(DataError, match=r"generated/a: has 5 keypoints a frame, another video 4"):
        values.values("generated", "a", 3)


class Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_nothing_of_an_archive_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = np.array([Malicious()], dtype=object)
    path = save_npz(tmp_path / "evil.npz", {"real/a": evil})
    assert "real/a cannot be read (" in error_of(path, "keypoints")
    assert not (tmp_path / "executed").exists()


def test_files_of_another_kind_are_named(tmp_path: Path) -> None:
    assert "no such file" in error_of(tmp_path / "none.npz", "keypoints")
    assert "is neither .npz nor .csv" in error_of(tmp_path / "k.json", "keypoints")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert "cannot be opened" in error_of(folder, "keypoints")
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"<html>")
    assert "not a readable .npz archive" in error_of(bad, "keypoints")
    save_npz(bad, arrays("keypoints"))
    bad.write_bytes(bad.read_bytes()[:-30])
    assert "not a readable .npz archive" in error_of(bad, "keypoints")
    with bad.open("wb") as file:
        np.save(file, np.ones(3))
    assert "is one array, not an .npz archive" in error_of(bad, "keypoints")
    text = tmp_path / "k.csv"
    text.write_bytes(b"set,video,frame,joint,x,y\n\xff")
    assert "cannot be read as UTF-8" in error_of(text, "keypoints")


POINTS = "set,video,frame,joint,x,y\n"
IDENTITIES = "set,video,frame,e0,e1\n"


@pytest.mark.parametrize(
    ("kind", "content", "trouble"),
    [
        (
            "keypoints",
            "",
            "the columns are not those of keypoints; name them set,video,frame,joint",
        ),
        ("keypoints", IDENTITIES, "the columns are not those of keypoints"),
        ("identity", POINTS, "the columns are not those of identity; name them set,video,frame,e0"),
        ("identity", "set,video,frame\n", "the columns are not those of identity"),
        ("identity", "set,video,frame,e0,e2\n", "the columns are not those of identity"),
        ("keypoints", POINTS, "has no real/a"),
        ("keypoints", POINTS + "real,a,0,0,1\n", "line 2 has 5 fields, the first line 6"),
        ("keypoints", POINTS + "\nfake,a,0,0,1,2\n", "line 3: set is 'fake'; write real or"),
        ("keypoints", POINTS + "real,a,-1,0,1,2\n", "line 2: frame is '-1'; number them from 0"),
        ("keypoints", POINTS + "real,a,0,nose,1,2\n", "line 2: joint is 'nose'; number them"),
        ("keypoints", POINTS + "real,a,0,0,1,left\n", "line 2: 'left' is not a number"),
        (
            "keypoints",
            POINTS + "real,a,0,0,1,2\nreal,a,0,1,1,2\nreal,a,1,1,1,2\n",
            "real/a: has no line for frame 1, joint 0; write one",
        ),
        (
            "keypoints",
            POINTS + "real,a,0,0,1,2\nreal,b,0,0,1,2\nreal,b,0,1,1,2\n",
            "real/a: has no line for frame 0, joint 1; write one",
        ),
        (
            "keypoints",
            POINTS + "real,a,0,0,1,2\nreal,a,0,1,1,2\nreal,a,0,1,1,2\n",
            "real/a: has two lines for frame 0, joint 1; keep one",
        ),
        (
            "identity",
            IDENTITIES + "real,a,0,1,2\nreal,a,999999999,1,2\n",
            "real/a: has no line for frame 1; write one",
        ),
        (
            "identity",
            IDENTITIES + "real,a,0,1,2\nreal,a,1,1,2\nreal,a,1,1,2\nreal,a,3,1,2\n",
            "real/a: has two lines for frame 1; keep one",
        ),
        ("identity", IDENTITIES + "real,a,0,,1\n", "real/a: a frame is numbers in part"),
    ],
)
def test_troubles_of_a_table_are_named(
    tmp_path: Path, kind: Kind, content: str, trouble: str
) -> None:
    path = tmp_path / "values.csv"
    path.write_text(content)
    assert error_of(path, kind, frames=1).startswith(trouble)
