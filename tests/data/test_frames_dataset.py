import pickle
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cpabmm_core.config import AugmentConfig, DataConfig
from cpabmm_core.data.augment import augment_pair
from cpabmm_core.data.frame_cache import FrameCache
from cpabmm_core.data.frames_dataset import Draw, FramesDataset, PairSampler
from cpabmm_core.errors import DataError

PLAIN = AugmentConfig(
    horizontal_flip=False, time_flip=False, brightness=0, contrast=0, saturation=0, hue=0
)


def write_strip(path: Path, frames: int, size: int = 16) -> None:
    """Frame k is of the one grey 10 * k."""
    greys = np.repeat(np.arange(frames) * 10, size).astype(np.uint8)
    Image.fromarray(np.tile(greys[None, :, None], (size, 1, 3))).save(path)


def test_pairs_are_two_frames_of_one_video(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 5)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8, augment=PLAIN))
    seen = set()
    for k in range(200):
        pair = data[Draw(0, (0, 0, k))]
        assert pair.source.shape == pair.driving.shape == (3, 8, 8)
        values = tuple(round(float(frame.mean()) * 25.5) for frame in pair[:2])
        assert values[0] != values[1]
        seen.add(values)
    assert len(seen) == 20  # every ordered pair of five frames


def test_draw_decides_everything(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 12)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8))
    first, again, other = (data[Draw(0, (7, 1, k))] for k in (3, 3, 4))
    assert torch.equal(first.source, again.source)
    assert not torch.equal(first.source, other.source)


def test_both_frames_are_changed_alike() -> None:
    image = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    pair = image.repeat(2, 1, 1, 1)
    config = AugmentConfig(resize=(0.8, 1.2), hue=0.5)
    for seed in range(8):
        source, driving = augment_pair(pair, config, np.random.default_rng(seed))
        torch.testing.assert_close(source, driving)
        assert source.shape == (3, 24, 24)
        assert source.min() >= 0
        assert source.max() <= 1


def test_flips_happen_half_of_the_time() -> None:
    ramp = torch.linspace(0, 1, 8).view(1, 1, 1, 8).expand(2, 3, 8, 8).clone()
    ramp[1, :, 0] = 1.0  # marks the driving frame
    config = PLAIN.model_copy(update={"horizontal_flip": True, "time_flip": True})
    results = [augment_pair(ramp, config, np.random.default_rng(seed)) for seed in range(200)]
    mirrored = sum(bool(r[0, 0, 4, 0] > r[0, 0, 4, -1]) for r in results)
    swapped = sum(bool(r[0, 0, 0].min() == 1) for r in results)
    assert 70 < mirrored < 130
    assert 70 < swapped < 130


@pytest.mark.parametrize(("videos", "repeats", "batch"), [(5, 3, 4), (2, 4, 8), (3, 2, 3)])
def test_every_video_comes_equally_often(videos: int, repeats: int, batch: int) -> None:
    sampler = PairSampler(videos, repeats, batch, seed=1)
    batches = list(sampler)
    assert len(batches) == len(sampler) == sampler.steps_per_epoch == videos * repeats // batch
    draws = [draw for each in batches for draw in each]
    assert len({draw.key for draw in draws}) == len(draws) == len(batches) * batch
    if videos * repeats % batch == 0:
        counts = [sum(draw.video == v for draw in draws) for v in range(videos)]
        assert counts == [repeats] * videos


def test_small_set_fills_a_step() -> None:
    sampler = PairSampler(3, 1, 4, seed=1, world=2)
    assert sampler.steps_per_epoch == 1
    (batch,) = sampler
    (other,) = PairSampler(3, 1, 4, seed=1, rank=1, world=2)
    counts = [sum(draw.video == v for draw in batch + other) for v in range(3)]
    assert sorted(counts) == [2, 3, 3]


@pytest.mark.parametrize(("world", "accumulation"), [(2, 1), (1, 2), (2, 2), (4, 1)])
def test_processes_share_what_one_would_draw(world: int, accumulation: int) -> None:
    """Row r * b of the one batch is row 0 of process r, in every step of three epochs."""
    alone = PairSampler(5, 7, 8, seed=3)
    alone.steps = range(2, 3 * alone.steps_per_epoch)
    size = 8 // (world * accumulation)
    parts = [
        PairSampler(5, 7, size, seed=3, accumulation=accumulation, rank=rank, world=world)
        for rank in range(world)
    ]
    for part in parts:
        assert part.steps_per_epoch == alone.steps_per_epoch
        part.steps = alone.steps
        assert len(list(part)) == len(part) == len(alone) * accumulation
    rows = chain.from_iterable(chain.from_iterable(zip(*parts, strict=True)))
    assert list(rows) == list(chain.from_iterable(alone))


def test_resumed_sampler_goes_on_as_it_would_have() -> None:
    whole, rest = PairSampler(7, 4, 3, seed=5), PairSampler(7, 4, 3, seed=5)
    whole.steps, rest.steps = range(0, 40), range(13, 40)
    assert list(whole)[13:] == list(rest)
    other = PairSampler(7, 4, 3, seed=6)
    assert list(other) != list(whole)[: len(other)]


def test_memory_changes_nothing(tmp_path: Path) -> None:
    """Bit for bit the same pairs without a cache, with one, and with one that is always too small.

    Frames of 8 x 8 take 192 bytes; `cache_mb` counts in MiB, so the small one is set by hand.
    """
    write_strip(tmp_path / "a.png", 6)
    write_strip(tmp_path / "b.png", 9)
    draws = [Draw(k % 2, (0, 0, k)) for k in range(40)]
    without = FramesDataset(tmp_path, DataConfig(frame_size=8, cache_mb=0))
    keeping = FramesDataset(tmp_path, DataConfig(frame_size=8, cache_mb=1))
    tight = FramesDataset(tmp_path, DataConfig(frame_size=8))
    tight._frames._cache = FrameCache(400)
    for draw in draws + draws:
        expected = without[draw]
        for other in (keeping[draw], tight[draw]):
            assert other.name == expected.name
            assert torch.equal(other.source, expected.source)
            assert torch.equal(other.driving, expected.driving)
    assert without._frames._cache.bytes == 0
    assert keeping._frames._cache.bytes == 15 * 192
    assert tight._frames._cache.bytes == 2 * 192


def test_draws_come_from_frames_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_strip(tmp_path / "a.png", 5)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8))
    for k in range(60):
        data[Draw(0, (0, 0, k))]

    def no_reading(*_: object) -> None:
        raise AssertionError("every frame was read before")

    monkeypatch.setattr(type(data._frames.clips[0].clip), "read", no_reading)
    for k in range(60, 80):
        data[Draw(0, (0, 0, k))]


def test_dataset_can_be_sent_to_another_process(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 5)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8))
    copy: FramesDataset = pickle.loads(pickle.dumps(data))
    draw = Draw(0, (0, 0, 1))
    assert torch.equal(copy[draw].source, data[draw].source)


def test_one_video_is_enough_but_told(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 5)
    told: list[str] = []
    data = FramesDataset(tmp_path, DataConfig(frame_size=8), told.append)
    assert len(data) == 1
    assert told == [f"{tmp_path}: one clip only (a.png); other looks stay unknown"]
    write_strip(tmp_path / "b.png", 5)
    told.clear()
    FramesDataset(tmp_path, DataConfig(frame_size=8), told.append)
    assert told == []


def test_data_errors_name_the_trouble(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        FramesDataset(tmp_path / "none", DataConfig())
    with pytest.raises(DataError, match="holds no clip"):
        FramesDataset(tmp_path, DataConfig())
    folder = tmp_path / "single"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "0.png")
    with pytest.raises(DataError, match="single: has one frame"):
        FramesDataset(tmp_path, DataConfig())
