import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import average_keypoint_distance
from cpabmm_core.metrics.extractors.precomputed import Kind, read_precomputed

NAMES = ("real/a", "generated/a", "real/b#c#1#9", "generated/b#c#1#9")


def arrays(kind: Kind, frames: int = 3) -> dict[str, np.ndarray]:
    """Values of two videos; a frame of the first lacks a keypoint or the subject."""
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
    """Write the lines in random order, because their order must not matter."""
    lines = []
    for key, array in values.items():
        set_name, video = key.split("/")
        for frame, row in enumerate(array):
            if array.ndim == 2:
                lines.append(",".join([set_name, video, str(frame), *cells(row, missing)]))
                continue
            for joint, point in enumerate(row):
                lines.append(
                    ",".join([set_name, video, str(frame), str(joint), *cells(point, missing)])
                )
    np.random.default_rng(1).shuffle(lines)
    columns = "joint,x,y" if values["real/a"].ndim == 3 else "e0,e1,e2,e3,e4"
    path.write_text(f"set,video,frame,{columns}\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", ["keypoints", "identity"])
@pytest.mark.parametrize("form", ["npz", "csv", "csv with nan"])
def test_values_round_trip(tmp_path: Path, kind: Kind, form: str) -> None:
    expected = arrays(kind)
    path = tmp_path / f"values.{form[:3]}"
    if form == "npz":
        save_npz(path, expected)
    else:
        save_csv(path, expected, missing="nan" if "nan" in form else "")
    values = read_precomputed(path, kind)
    for name in NAMES:
        set_name, video = name.split("/")
        found = values.values("real" if set_name == "real" else "generated", video, 3)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected[name])
    assert values.info.as_dict() == {
        "name": path.name,
        "version": "precomputed",
        "weights": hashlib.sha256(path.read_bytes()).hexdigest(),
        "options": {},
    }


def test_column_order_and_spaces_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "k.csv"
    path.write_bytes(
        b"\xef\xbb\xbfy, x, video, set, joint, frame\r\n\r\n"
        b'2, 1.5, "a,b", real, 0, 0\r\n4, , "a,b", real, 1, 0\r\n'
    )
    [frame] = read_precomputed(path, "keypoints").values("real", "a,b", 1)
    np.testing.assert_array_equal(frame, [[1.5, 2], [np.nan, np.nan]])


def test_all_marks_of_missing_keypoints_become_nan(tmp_path: Path) -> None:
    written = np.array([[[-1.0, -1], [-1, 5], [np.nan, 4], [3, 4]]])
    path = save_npz(tmp_path / "k.npz", {"real/a": written, "generated/a": written + 100})
    found = read_precomputed(path, "keypoints").values("real", "a", 1)
    missing = [np.nan, np.nan]
    np.testing.assert_array_equal(found, [[missing, [-1, 5], missing, [3, 4]]])
    assert average_keypoint_distance(written, found).akd == 0
    identity = save_npz(tmp_path / "i.npz", {"real/a": -np.ones((2, 3))})
    assert (read_precomputed(identity, "identity").values("real", "a", 2) == -1).all()


def test_integers_are_accepted(tmp_path: Path) -> None:
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
def test_missing_videos_and_frames_are_errors(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"k.{form}"
    (save_npz if form == "npz" else save_csv)(path, arrays("keypoints"))
    assert error_of(path, "keypoints", "b#c#1#8") == "lacks real/b#c#1#8; did you mean b#c#1#9?"
    expected = "lacks real/xyz; the file must contain all videos"
    assert error_of(path, "keypoints", "xyz") == expected
    assert error_of(path, "keypoints", frames=4) == (
        "real/a: has 3 frames, the video 4; save one row per frame"
    )


@pytest.mark.parametrize(
    ("kind", "array", "trouble"),
    [
        ("keypoints", np.ones((3, 5)), "has shape (3, 5); save it as (F, J, 2)"),
        ("keypoints", np.ones((3, 5, 3)), "has shape (3, 5, 3); save it as (F, J, 2)"),
        ("keypoints", np.ones((3, 0, 2)), "has shape (3, 0, 2); save it as (F, J, 2)"),
        ("identity", np.ones((3, 5, 2)), "has shape (3, 5, 2); save it as (F, D)"),
        ("identity", np.ones(3), "has shape (3,); save it as (F, D)"),
        ("identity", np.array(1.0), "has shape (); save it as (F, D)"),
        ("identity", np.full((3, 2), np.inf), "contains infinity"),
        ("identity", np.array([[1, 2], [1, np.nan], [1, 2]]), "a frame mixes numbers and NaN"),
        ("identity", np.full((3, 2), "1"), "has dtype <U1, expected numbers"),
        ("identity", np.ones((3, 2), dtype=complex), "has dtype complex128, expected numbers"),
    ],
)
def test_wrong_shapes_and_values_are_errors(
    tmp_path: Path, kind: Kind, array: np.ndarray, trouble: str
) -> None:
    path = save_npz(tmp_path / "k.npz", {"real/a": array})
    assert error_of(path, kind).startswith(f"real/a: {trouble}")


def test_all_videos_have_equally_many_keypoints(tmp_path: Path) -> None:
    path = save_npz(
        tmp_path / "k.npz", {"real/a": np.ones((3, 4, 2)), "generated/a": np.ones((3, 5, 2))}
    )
    values = read_precomputed(path, "keypoints")
    values.values("real", "a", 3)
    with pytest.raises(DataError, match=r"generated/a: has 5 keypoints per frame, another video 4"):
        values.values("generated", "a", 3)


class Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_pickles_in_an_archive_are_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = np.array([Malicious()], dtype=object)
    path = save_npz(tmp_path / "evil.npz", {"real/a": evil})
    assert "real/a cannot be read (" in error_of(path, "keypoints")
    assert not (tmp_path / "executed").exists()


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
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
    assert "is a single array, not an .npz archive" in error_of(bad, "keypoints")
    text = tmp_path / "k.csv"
    text.write_bytes(b"set,video,frame,joint,x,y\n\xff")
    assert "line 2 is not UTF-8 text" in error_of(text, "keypoints")


POINTS = "set,video,frame,joint,x,y\n"
IDENTITIES = "set,video,frame,e0,e1\n"


@pytest.mark.parametrize(
    ("kind", "content", "trouble"),
    [
        (
            "keypoints",
            "",
            "wrong columns for keypoints; expected set,video,frame,joint",
        ),
        ("keypoints", IDENTITIES, "wrong columns for keypoints"),
        ("identity", POINTS, "wrong columns for identity; expected set,video,frame,e0"),
        ("identity", "set,video,frame\n", "wrong columns for identity"),
        ("identity", "set,video,frame,e0,e2\n", "wrong columns for identity"),
        ("keypoints", POINTS, "lacks real/a"),
        (
            "keypoints",
            POINTS + "real,a,0,0,1\n",
            "line 2 has 5 fields, the first row names 6 columns",
        ),
        (
            "keypoints",
            POINTS + "\nfake,a,0,0,1,2\n",
            "line 3: set is 'fake', expected real or generated",
        ),
        ("keypoints", POINTS + "real,a,-1,0,1,2\n", "line 2: frame is '-1'; count from 0"),
        ("keypoints", POINTS + "real,a,0,nose,1,2\n", "line 2: joint is 'nose'; count from 0"),
        ("keypoints", POINTS + "real,a,0,0,1,left\n", "line 2: a value is 'left', not a number"),
        (
            "keypoints",
            POINTS + "real,a,0,0,1,2\nreal,a,0,1,1,2\nreal,a,1,1,1,2\n",
            "real/a: has no line for frame 1, joint 0; add one",
        ),
        (
            "keypoints",
            POINTS + "real,a,0,0,1,2\nreal,b,0,0,1,2\nreal,b,0,1,1,2\n",
            "real/a: has no line for frame 0, joint 1; add one",
        ),
        (
            "keypoints",
            POINTS + "real,a,0,0,1,2\nreal,a,0,1,1,2\nreal,a,0,1,1,2\n",
            "real/a: has two lines for frame 0, joint 1; keep one",
        ),
        (
            "identity",
            IDENTITIES + "real,a,0,1,2\nreal,a,999999999,1,2\n",
            "real/a: has no line for frame 1; add one",
        ),
        (
            "identity",
            IDENTITIES + "real,a,0,1,2\nreal,a,1,1,2\nreal,a,1,1,2\nreal,a,3,1,2\n",
            "real/a: has two lines for frame 1; keep one",
        ),
        ("identity", IDENTITIES + "real,a,0,,1\n", "real/a: a frame mixes numbers and NaN"),
    ],
)
def test_errors_in_a_csv_file_name_the_line(
    tmp_path: Path, kind: Kind, content: str, trouble: str
) -> None:
    path = tmp_path / "values.csv"
    path.write_text(content)
    assert error_of(path, kind, frames=1).startswith(trouble)


def test_an_archive_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    path = save_npz(tmp_path / "values.npz", {})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("real/a.npy", b"not an array")
    values = read_precomputed(path, "keypoints")
    with pytest.raises(DataError, match=r"values\.npz: real/a is no array; save plain numbers"):
        values.values("real", "a", 3)
