from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cpabmm_core.config import AugmentConfig, DataConfig
from cpabmm_core.data.augment import augment_pair
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
        assert pair["source"].shape == pair["driving"].shape == (3, 8, 8)
        values = tuple(round(float(pair[n].mean()) * 25.5) for n in ("source", "driving"))
        assert values[0] != values[1]
        seen.add(values)
    assert len(seen) == 20  # every ordered pair of five frames


def test_draw_decides_everything(tmp_path: Path) -> None:
    write_strip(tmp_path / "a.png", 12)
    data = FramesDataset(tmp_path, DataConfig(frame_size=8))
    first, again, other = (data[Draw(0, (7, 1, k))] for k in (3, 3, 4))
    assert torch.equal(first["source"], again["source"])
    assert not torch.equal(first["source"], other["source"])


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


@pytest.mark.parametrize(("videos", "repeats", "batch"), [(5, 3, 4), (2, 1, 8)])
def test_every_video_comes_equally_often(videos: int, repeats: int, batch: int) -> None:
    sampler = PairSampler(videos, repeats, batch, seed=1)
    batches = list(sampler)
    assert len(batches) == sampler.steps_per_epoch == max(1, videos * repeats // batch)
    draws = [draw for each in batches for draw in each]
    assert len({draw.key for draw in draws}) == len(draws)
    if videos * repeats % batch == 0 or videos * repeats < batch:
        counts = [sum(draw.video == v for draw in draws) for v in range(videos)]
        assert counts == [repeats] * videos


def test_resumed_sampler_goes_on_as_it_would_have() -> None:
    whole, rest = PairSampler(7, 4, 3, seed=5), PairSampler(7, 4, 3, seed=5)
    whole.steps, rest.steps = range(0, 40), range(13, 40)
    assert list(whole)[13:] == list(rest)
    other = PairSampler(7, 4, 3, seed=6)
    assert list(other) != list(whole)[: len(other)]


def test_data_errors_name_the_trouble(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        FramesDataset(tmp_path / "none", DataConfig())
    with pytest.raises(DataError, match="holds no clip"):
        FramesDataset(tmp_path, DataConfig())
    folder = tmp_path / "single"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "0.png")
    with pytest.raises(DataError, match="single has one frame"):
        FramesDataset(tmp_path, DataConfig())
