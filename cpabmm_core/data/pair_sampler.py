"""Batches of pair keys, which determine what a training run sees."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

_STREAM = 0xF2A3E5  # separates these random numbers from other uses of the seed


class PairKey(NamedTuple):
    """One training example to be: whose it is, and the key of its random numbers."""

    identity: int
    key: tuple[int, int, int]


class PairSampler(Sampler[list[PairKey]]):
    """Batches of draws, from any step on: step k holds the same draws however often one resumes.

    A step takes ``batch_size * accumulation * world`` draws. They are cut into batches in the same
    order whatever the three are, and a draw's random numbers hang on its place in the epoch, not on
    who makes it: 2 processes of batch 2 see what one of batch 4 does.

    In an epoch every identity comes `repeats` times, in random order; the last draws, too few for a
    step, are left out. A set too small for one step comes as often as that needs.

    Args:
        identities: number of identities, or of clips where each stands for itself.
        repeats: how often each comes in an epoch.
        batch_size: draws in a batch of one process.
        seed: of the random numbers.
        accumulation: batches that each process takes in a step.
        rank: number of this process.
        world: number of processes.
    """

    def __init__(
        self,
        identities: int,
        repeats: int,
        batch_size: int,
        seed: int,
        *,
        accumulation: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._identities, self._seed = identities, seed
        self._batch_size, self._accumulation = batch_size, accumulation
        self._rank, self._world = rank, world
        self._draws_per_step = batch_size * accumulation * world
        self._draws_per_epoch = max(identities * repeats, self._draws_per_step)
        self.steps = range(self.steps_per_epoch)
        """Which steps to give the batches of, counted from the first of the first epoch."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch."""
        return self._draws_per_epoch // self._draws_per_step

    def __len__(self) -> int:
        """Number of batches to come."""
        return len(self.steps) * self._accumulation

    def __iter__(self) -> Iterator[list[PairKey]]:
        """The batches of this process, in order."""
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in self.steps:
            step_epoch, place = divmod(step, self.steps_per_epoch)
            if step_epoch != epoch:
                epoch = step_epoch
                rng = np.random.default_rng((_STREAM, self._seed, epoch))
                order = rng.permutation(self._draws_per_epoch)
            for part in range(self._accumulation):
                batch = (place * self._accumulation + part) * self._world + self._rank
                chosen = order[batch * self._batch_size : (batch + 1) * self._batch_size]
                yield [
                    PairKey(int(i) % self._identities, (self._seed, epoch, int(i))) for i in chosen
                ]
