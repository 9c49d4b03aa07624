"""Validation pairs: their frames, and their distribution over processes."""

from pathlib import Path

import pytest
import torch
from _helpers.media_files import number_of, write_test_video
from torch import Tensor

from cpabmm_core.config import DataConfig
from cpabmm_core.data.batches import read_batches
from cpabmm_core.data.validation_pairs import ValidationPairs, open_validation
from cpabmm_core.errors import DataError

CONFIG = DataConfig(frame_size=48)


def number(image: Tensor) -> int:
    return number_of((image.permute(1, 2, 0) * 255).round().byte().numpy())


def open_set(folder: Path, frames: int) -> ValidationPairs:
    pairs = open_validation(folder, CONFIG, frames=frames, report=lambda _: None)
    assert pairs is not None
    return pairs


def contents(pairs: ValidationPairs) -> list[tuple[str, int, int]]:
    samples = [pairs[k] for k in range(len(pairs))]
    return [(s.name, number(s.source), number(s.driving)) for s in samples]


def test_pairs_are_the_first_frame_and_evenly_spaced_ones(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4", size=(96, 96), frames=13)
    write_test_video(tmp_path / "b.mp4", size=(96, 96), frames=3)
    expected = [("a.mp4", 0, k) for k in (3, 6, 9, 12)] + [("b.mp4", 0, k) for k in (1, 2)]
    for _ in range(2):
        assert contents(open_set(tmp_path, 4)) == expected


def test_frames_are_not_augmented(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4", frames=5, size=(48, 48))
    pairs = open_set(tmp_path, 1)
    (image,) = pairs._frames.clips[0].clip.read([4])
    expected = torch.from_numpy(image).permute(2, 0, 1) / 255
    torch.testing.assert_close(pairs[0].driving, expected)


@pytest.mark.parametrize(("batch_size", "world"), [(2, 1), (2, 2), (4, 3), (1, 9)])
def test_processes_share_the_pairs(tmp_path: Path, batch_size: int, world: int) -> None:
    write_test_video(tmp_path / "a.mp4", size=(96, 96), frames=13)
    pairs = open_set(tmp_path, 7)
    shares = [pairs.batches(batch_size, rank=rank, world=world) for rank in range(world)]
    assert sorted(i for share in shares for batch in share for i in batch) == list(range(7))
    assert all(0 < len(batch) <= batch_size for share in shares for batch in share)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_name_their_clips(tmp_path: Path, workers: int) -> None:
    write_test_video(tmp_path / "a.mp4", size=(96, 96), frames=5)
    write_test_video(tmp_path / "b.mp4", size=(96, 96), frames=5)
    pairs = open_set(tmp_path, 2)
    batches = list(read_batches(pairs, pairs.batches(3), workers=workers))
    assert [batch.names for batch in batches] == [["a.mp4", "a.mp4", "b.mp4"], ["b.mp4"]]
    assert batches[0].driving.shape == (3, 3, 48, 48)


def test_a_missing_test_set_is_reported(tmp_path: Path) -> None:
    messages: list[str] = []
    folder = tmp_path / "test"
    assert open_validation(folder, CONFIG, frames=4, report=messages.append) is None
    folder.mkdir()
    assert open_validation(folder, CONFIG, frames=4, report=messages.append) is None
    starts = [
        f"no validation: {folder}: no such folder;",
        f"no validation: {folder}: holds no clip",
    ]
    assert [line.startswith(start) for line, start in zip(messages, starts, strict=True)] == [
        True
    ] * 2


def test_unreadable_test_clips_are_reported_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    messages: list[str] = []
    assert open_validation(tmp_path, CONFIG, frames=4, report=messages.append) is None
    assert str(tmp_path / "a.mp4") in messages[0]
    assert messages[1].startswith("no validation: ")
    refuse = DataConfig(on_error="refuse")
    with pytest.raises(DataError, match=r"a\.mp4"):
        open_validation(tmp_path, refuse, frames=4, report=messages.append)


def test_damage_does_not_change_the_number_of_pairs(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4", size=(96, 96), frames=60, options={"g": "10"})
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    (tmp_path / "a.mp4").write_bytes(bytes(data))
    pairs = open_set(tmp_path, 59)
    found = contents(pairs)
    lost = pairs._frames.clips[0].clip.find_damage()
    assert len(found) == 59
    assert lost
    assert not {driving for _, _, driving in found} & lost.keys()
    messages = [note for k in range(59) for note in pairs[k].notes]
    assert len(set(messages)) == 1
    assert messages[0].startswith(f"{tmp_path / 'a.mp4'}: damaged after ")
