"""Batches of pair keys, which determine the training pairs of a run."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

_STREAM = 0xF2A3E5  # separates these random numbers from other uses of the seed


class PairKey(NamedTuple):
    """The key of one training pair: an identity, and a seed that determines everything else.

    `PairSampler` yields batches of them, and an item of `FramesDataset` has such a key.

    Example:
        >>> from cpabmm_core.data import PairSampler
        >>> (batch,) = PairSampler(identities=2, repeats=1, batch_size=2, seed=5)
        >>> key = min(batch)
        >>> key.identity, key.seed  # the seed of the run, the epoch, the number in the epoch
        (0, (5, 0, 0))
    """

    identity: int
    seed: tuple[int, int, int]


class PairSampler(Sampler[list[PairKey]]):
    """Batches of pair keys, which do not depend on whether a run is resumed.

    A step has ``batch_size * accumulation * world`` keys. Their order depends only on the seed, so
    2 processes with batches of 2 see the same pairs as one process with batches of 4.

    In an epoch each identity occurs `repeats` times, in random order; keys that do not fill a step
    are dropped. If an epoch has too few keys for one step, identities occur more often.

    Args:
        identities: number of identities, or of clips if each counts as one.
        repeats: occurrences of each identity per epoch.
        batch_size: keys in a batch of one process.
        seed: seed of the random numbers.
        accumulation: batches of each process per step.
        rank: number of this process.
        world: number of processes.

    Example:
        >>> from cpabmm_core.data import PairSampler
        >>> sampler = PairSampler(identities=3, repeats=4, batch_size=6, seed=0)
        >>> sampler.steps_per_epoch
        2
        >>> first, second = sampler
        >>> sorted(key.identity for key in first + second)
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
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
        self._keys_per_step = batch_size * accumulation * world
        self._keys_per_epoch = max(identities * repeats, self._keys_per_step)
        self.steps = range(self.steps_per_epoch)
        """The steps to sample, counted from the beginning of training."""

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps in an epoch."""
        return self._keys_per_epoch // self._keys_per_step

    def __len__(self) -> int:
        """Return the number of batches of this process."""
        return len(self.steps) * self._accumulation

    def __iter__(self) -> Iterator[list[PairKey]]:
        """Iterate over the batches of this process, in order."""
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in self.steps:
            step_epoch, place = divmod(step, self.steps_per_epoch)
            if step_epoch != epoch:
                epoch = step_epoch
                rng = np.random.default_rng((_STREAM, self._seed, epoch))
                order = rng.permutation(self._keys_per_epoch)
            for part in range(self._accumulation):
                batch = (place * self._accumulation + part) * self._world + self._rank
                chosen = order[batch * self._batch_size : (batch + 1) * self._batch_size]
                yield [
                    PairKey(int(i) % self._identities, (self._seed, epoch, int(i))) for i in chosen
                ]
