"""The split into training and test set, which is stable and keeps identities whole."""

import random
from pathlib import Path

import pytest

from cpabmm_core.data.split import DataSplit, Subset, split_data_set
from cpabmm_core.errors import DataError
from cpabmm_core.media.clip_listing import list_clips


def fill(folder: Path, names: list[str]) -> Path:
    """Create empty files with clip names; splitting does not open them."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def split(folder: Path, share: float = 0.1, seed: int = 0) -> DataSplit:
    return split_data_set(folder, share, seed, lambda _: None)


def held_out(parts: DataSplit) -> set[str]:
    return {path.name.partition("#")[0] for path in parts.test.paths or []}


def names_of(identities: int, clips: int = 3) -> list[str]:
    return [f"id{k}#{clip}.mp4" for k in range(identities) for clip in range(clips)]


@pytest.mark.parametrize("present", [("train", "test"), ("train",), ("test",)])
def test_existing_train_and_test_folders_are_used(tmp_path: Path, present: tuple[str, ...]) -> None:
    fill(tmp_path, names_of(4))
    for name in present:
        fill(tmp_path / name, ["a.mp4"])
    messages: list[str] = []
    parts = split_data_set(tmp_path, 0.5, 0, messages.append)
    assert parts == (Subset(tmp_path / "train"), Subset(tmp_path / "test"))
    assert messages == []


@pytest.mark.parametrize(
    ("identities", "share", "expected"),
    [(20, 0.1, 2), (40, 0.25, 10), (5, 0.1, 1), (2, 0.9, 1), (3, 0.99, 2), (1, 0.5, 0), (9, 0, 0)],
)
def test_test_share_sets_the_number_of_held_out_identities(
    tmp_path: Path, identities: int, share: float, expected: int
) -> None:
    """At least one identity and never all, given two or more."""
    names = names_of(identities)
    parts = split(fill(tmp_path, names), share)
    assert parts.train.paths is not None
    assert parts.test.paths is not None
    found = [path.name for path in parts.train.paths + parts.test.paths]
    assert sorted(found) == sorted(names)
    assert len(parts.test.paths) == 3 * expected  # whole identities
    assert len(held_out(parts)) == expected
    everything = list_clips(tmp_path)
    assert [path for path in everything if path in parts.train.paths] == parts.train.paths


def test_only_names_and_seed_determine_the_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fill(tmp_path / "one", names_of(30))
    shuffled = names_of(30)
    random.Random(0).shuffle(shuffled)
    other = fill(tmp_path / "other", shuffled)
    assert held_out(split(one)) == held_out(split(other))
    assert len({frozenset(held_out(split(one, seed=seed))) for seed in range(5)}) == 5
    backwards = list(reversed(list_clips(one)))
    monkeypatch.setattr("cpabmm_core.data.split.list_clips", lambda *_: backwards)
    assert held_out(split(one)) == held_out(split(other))


def test_an_added_identity_moves_at_most_one_other(tmp_path: Path) -> None:
    folder = fill(tmp_path, names_of(30))
    before = held_out(split(folder, 0.2))
    assert held_out(split(fill(folder, ["id3#more.mp4"]), 0.2)) == before
    for k in range(20):
        after = held_out(split(fill(folder, [f"new{k}.mp4"]), 0.2))
        assert len(after - before) <= 1
        assert len(before - after) <= 1
        before = after


def test_a_split_is_reported_in_one_line(tmp_path: Path) -> None:
    messages: list[str] = []
    parts = split_data_set(fill(tmp_path, names_of(4)), 0.25, 0, messages.append)
    (name,) = held_out(parts)
    assert messages == [
        f"{tmp_path}: has no train/ and test/; holding out 1 of 4 identities (3 of 12 clips) for "
        f"validation (data.test_share=0.25): {name}#"
    ]
    messages.clear()
    split_data_set(fill(tmp_path, names_of(40)), 0.5, 0, messages.append)
    (line,) = messages
    assert line.endswith(" and 15 more")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no clip; .*, or give .* train/ and test/") as error:
        split(tmp_path)
    assert "\n" not in str(error.value)
    assert split(tmp_path / "none").train == Subset(tmp_path / "none" / "train")
