import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from cpabmm_core.inference.spread_frames import spread


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 9, 64, 1000])
def test_items_have_equal_distances_and_cover_the_whole(count: int) -> None:
    chosen = spread(range(count), most=4)
    steps = {b - a for a, b in pairwise(chosen)}
    assert chosen[:1] == list(range(count))[:1]
    assert len(steps) <= 1
    assert len(chosen) >= min(count, 2)
    assert len(chosen) <= 4
    if steps:
        assert count - chosen[-1] <= max(steps)


def test_few_items_are_in_memory_at_a_time() -> None:
    tracemalloc.start()
    spread((np.zeros(100_000, np.uint8) for _ in range(300)), most=8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 11 * 100_000
