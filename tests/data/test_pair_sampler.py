"""The pair sampler: equal counts, equal steps in several processes, and resuming."""

from itertools import chain

import pytest

from cpabmm_core.config import AugmentConfig, load_config
from cpabmm_core.data.pair_sampler import PairSampler

PLAIN = AugmentConfig(
    horizontal_flip=False, time_flip=False, brightness=0, contrast=0, saturation=0, hue=0
)


@pytest.mark.parametrize(("identities", "repeats", "batch"), [(5, 3, 4), (2, 4, 8), (3, 2, 3)])
def test_every_identity_occurs_equally_often(identities: int, repeats: int, batch: int) -> None:
    sampler = PairSampler(identities, repeats, batch, seed=1)
    batches = list(sampler)
    assert len(batches) == len(sampler) == sampler.steps_per_epoch == identities * repeats // batch
    keys = [key for each in batches for key in each]
    assert len({key.seed for key in keys}) == len(keys) == len(batches) * batch
    if identities * repeats % batch == 0:
        counts = [sum(key.identity == k for key in keys) for k in range(identities)]
        assert counts == [repeats] * identities


@pytest.mark.parametrize(
    ("row", "identities", "batch", "steps"),
    [
        ("vox-256", 424, 8, 397_500),
        ("taichi-256", 252, 8, 945_000),
        ("taichi-256-tps", 252, 8, 472_500),
        ("taichi-256-tps", 252, 28, 135_000),  # TPSMM's own batch
    ],
)
def test_steps_of_the_rows_on_the_published_sets(
    row: str, identities: int, batch: int, steps: int
) -> None:
    config = load_config(row, [f"training.batch_size={batch}", "training.accumulation=1"])
    assert config.data.identity_sampling
    sampler = PairSampler(identities, config.data.repeats, batch, seed=0)
    assert config.training.epochs * sampler.steps_per_epoch == steps


def test_a_small_set_still_fills_a_step() -> None:
    sampler = PairSampler(3, 1, 4, seed=1, world=2)
    assert sampler.steps_per_epoch == 1
    (batch,) = sampler
    (other,) = PairSampler(3, 1, 4, seed=1, rank=1, world=2)
    counts = [sum(key.identity == k for key in batch + other) for k in range(3)]
    assert sorted(counts) == [2, 3, 3]


@pytest.mark.parametrize(("world", "accumulation"), [(2, 1), (1, 2), (2, 2), (4, 1)])
def test_processes_share_the_keys_of_one_process(world: int, accumulation: int) -> None:
    """In each step of three epochs, the processes together have the keys of a single process."""
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


def test_a_resumed_sampler_continues_the_sequence() -> None:
    whole, rest = PairSampler(7, 4, 3, seed=5), PairSampler(7, 4, 3, seed=5)
    whole.steps, rest.steps = range(0, 40), range(13, 40)
    assert list(whole)[13:] == list(rest)
    other = PairSampler(7, 4, 3, seed=6)
    assert list(other) != list(whole)[: len(other)]
