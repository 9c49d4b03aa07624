"""Random pairs: their frames, their augmentation, and reproducibility."""

import pickle
from collections import Counter
from itertools import chain, combinations, permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cpabmm_core.config import AugmentConfig, DataConfig
from cpabmm_core.data.batches import PairSample
from cpabmm_core.data.frame_cache import FrameCache
from cpabmm_core.data.frames_dataset import FramesDataset
from cpabmm_core.data.pair_sampler import PairKey, PairSampler
from cpabmm_core.errors import DataError

PLAIN = AugmentConfig(
    horizontal_flip=False, time_flip=False, brightness=0, contrast=0, saturation=0, hue=0
)


def write_strip(path: Path, frames: int, size: int = 16) -> None:
    """Write a strip in which frame k has the grey level 10 * k."""
    greys = np.repeat(np.arange(frames) * 10, size).astype(np.uint8)
    Image.fromarray(np.tile(greys[None, :, None], (size, 1, 3))).save(path)


@pytest.mark.parametrize("time_flip", [True, False])
def test_pairs_are_two_frames_of_one_video(tmp_path: Path, time_flip: bool) -> None:
    """All pairs of distinct frames occur, in both orders or with the earlier one first."""
    write_strip(tmp_path / "a.png", 5)
    augment = PLAIN.model_copy(update={"time_flip": time_flip})
    data = FramesDataset(tmp_path, DataConfig(frame_size=8, augment=augment))
    seen = set()
    for k in range(200):
        pair = data[PairKey(0, (0, 0, k))]
        assert pair.source.shape == pair.driving.shape == (3, 8, 8)
        seen.add(frames_of(pair))
    pairs = permutations if time_flip else combinations
    assert seen == set(pairs(range(5), 2))


def frames_of(pair: PairSample) -> tuple[int, int]:
    """Return the numbers of the two frames of a pair, read from their grey levels."""
    return round(float(pair.source.mean()) * 25.5), round(float(pair.driving.mean()) * 25.5)


def test_the_key_determines_the_pair(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 12)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8))
    first, again, other = (data[PairKey(0, (7, 1, k))] for k in (3, 3, 4))
    assert torch.equal(first.source, again.source)
    assert not torch.equal(first.source, other.source)


def write_identities(folder: Path) -> Path:
    """Write 4 clips of 2 identities; frame k of clip c has the grey level 10 * (5 * c + k)."""
    folder.mkdir(exist_ok=True)
    for clip, name in enumerate(("a#0", "a#1", "a#2", "b#0")):
        greys = np.repeat((5 * clip + np.arange(5)) * 10, 16).astype(np.uint8)
        image = Image.fromarray(np.tile(greys[None, :, None], (16, 1, 3)))
        image.save(folder / f"{name}.png")
    return folder


def pairs_of(data: FramesDataset, sampler: PairSampler) -> list[tuple[str, int, int]]:
    """Return the clip and the frames of each pair of a sampler."""
    pairs = [data[key] for batch in sampler for key in batch]
    return [(pair.name, *frames_of(pair)) for pair in pairs]


def test_an_epoch_takes_repeats_pairs_of_each_identity(tmp_path: Path) -> None:
    """Each identity has 300 pairs, shared evenly by its clips; no pair spans two clips."""
    data = FramesDataset(write_identities(tmp_path), DataConfig(frame_size=8, augment=PLAIN))
    assert (len(data), data.identities, data.clips) == (2, 2, 4)
    sampler = PairSampler(len(data), 300, 4, seed=0)
    assert sampler.steps_per_epoch == 2 * 300 // 4
    pairs = pairs_of(data, sampler)
    counts = Counter(name for name, *_ in pairs)
    assert counts.pop("b#0.png") == 300
    assert counts.keys() == {"a#0.png", "a#1.png", "a#2.png"}
    assert sum(counts.values()) == 300
    assert max(counts.values()) - min(counts.values()) < 70  # 100 each, standard deviation 8
    for name, *frames in pairs:
        first = 5 * ["a#0.png", "a#1.png", "a#2.png", "b#0.png"].index(name)
        assert first <= min(frames) < max(frames) < first + 5


def test_without_identity_sampling_an_epoch_takes_pairs_of_each_clip(tmp_path: Path) -> None:
    config = DataConfig(frame_size=8, identity_sampling=False)
    data = FramesDataset(write_identities(tmp_path), config)
    assert (len(data), data.identities, data.clips) == (4, 2, 4)
    pairs = pairs_of(data, PairSampler(len(data), 6, 4, seed=0))
    assert set(Counter(name for name, *_ in pairs).values()) == {6}


def test_only_readable_clips_count_as_identities(tmp_path: Path) -> None:
    folder = write_identities(tmp_path)
    for name in ("a#1.png", "b#0.png"):
        (folder / name).write_bytes(b"broken")
    data = FramesDataset(folder, DataConfig(frame_size=8, augment=PLAIN))
    assert (len(data), data.identities, data.clips) == (1, 1, 2)
    pairs = pairs_of(data, PairSampler(len(data), 40, 4, seed=0))
    assert {name for name, *_ in pairs} == {"a#0.png", "a#2.png"}


@pytest.mark.parametrize(("world", "accumulation"), [(2, 1), (1, 2), (2, 2)])
def test_the_process_that_reads_a_pair_does_not_change_it(
    world: int, accumulation: int, tmp_path: Path
) -> None:
    """Two epochs, resumed after step 3."""
    data = FramesDataset(write_identities(tmp_path), DataConfig(frame_size=8, augment=PLAIN))
    alone = PairSampler(2, 8, 4, seed=7)
    alone.steps = range(8)
    whole = pairs_of(data, alone)
    parts = []
    for rank in range(world):
        size = 4 // (world * accumulation)
        part = PairSampler(2, 8, size, seed=7, accumulation=accumulation, rank=rank, world=world)
        part.steps = range(3, 8)
        parts.append(part)
    keys = chain.from_iterable(chain.from_iterable(zip(*parts, strict=True)))
    found = [data[key] for key in keys]
    assert [(pair.name, *frames_of(pair)) for pair in found] == whole[3 * 4 :]


def test_only_the_given_clips_of_a_folder_are_used(tmp_path: Path) -> None:
    folder = write_identities(tmp_path)
    paths = [folder / "a#1.png", folder / "b#0.png"]
    data = FramesDataset(folder, DataConfig(frame_size=8, augment=PLAIN), paths=paths)
    pairs = pairs_of(data, PairSampler(len(data), 10, 4, seed=0))
    assert {name for name, *_ in pairs} == {"a#1.png", "b#0.png"}


def test_the_cache_does_not_change_pairs(tmp_path: Path) -> None:
    """Pairs are bit-identical without a cache, with a large one, and with one that is too small.

    A frame of 8 x 8 pixels takes 192 bytes. `cache_mb` is in MiB, so the small cache is set
    directly.
    """
    write_strip(tmp_path / "a.png", 6)
    write_strip(tmp_path / "b.png", 9)
    keys = [PairKey(k % 2, (0, 0, k)) for k in range(40)]
    without = FramesDataset(tmp_path, DataConfig(frame_size=8, cache_mb=0))
    keeping = FramesDataset(tmp_path, DataConfig(frame_size=8, cache_mb=1))
    tight = FramesDataset(tmp_path, DataConfig(frame_size=8))
    tight._frames._cache = FrameCache(400)
    for key in keys + keys:
        expected = without[key]
        for other in (keeping[key], tight[key]):
            assert other.name == expected.name
            assert torch.equal(other.source, expected.source)
            assert torch.equal(other.driving, expected.driving)
    assert without._frames._cache.bytes == 0
    assert keeping._frames._cache.bytes == 15 * 192
    assert tight._frames._cache.bytes == 2 * 192


def test_cached_frames_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_strip(tmp_path / "a.png", 5)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8))
    for k in range(60):
        data[PairKey(0, (0, 0, k))]

    def no_reading(*_: object) -> None:
        raise AssertionError("every frame was read before")

    monkeypatch.setattr(type(data._frames.clips[0].clip), "read", no_reading)
    for k in range(60, 80):
        data[PairKey(0, (0, 0, k))]


@pytest.mark.parametrize(("room", "cached"), [(5, 5), (4, 2)])
def test_a_strip_is_decoded_once_if_the_cache_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, cached: int
) -> None:
    write_strip(tmp_path / "a.png", 5)
    size = 8
    data = FramesDataset(tmp_path, DataConfig(frame_size=size))
    monkeypatch.setattr(data._frames._cache, "_limit", room * size**2 * 3)
    data[PairKey(0, (0, 0, 0))]
    assert data._frames._cache.bytes == cached * size**2 * 3


def test_a_dataset_can_be_pickled(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 5)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8))
    copy: FramesDataset = pickle.loads(pickle.dumps(data))
    key = PairKey(0, (0, 0, 1))
    assert torch.equal(copy[key].source, data[key].source)


def test_a_single_clip_is_accepted_with_a_message(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 5)
    messages: list[str] = []
    data = FramesDataset(tmp_path, DataConfig(frame_size=8), messages.append)
    assert len(data) == 1
    assert messages == [f"{tmp_path}: contains only one clip (a.png); the model sees one identity"]
    write_strip(tmp_path / "b.png", 5)
    messages.clear()
    FramesDataset(tmp_path, DataConfig(frame_size=8), messages.append)
    assert messages == []


def test_errors_name_the_problem(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        FramesDataset(tmp_path / "none", DataConfig())
    with pytest.raises(DataError, match="holds no clip"):
        FramesDataset(tmp_path, DataConfig())
    folder = tmp_path / "single"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "0.png")
    with pytest.raises(DataError, match="single: has one frame"):
        FramesDataset(tmp_path, DataConfig())
