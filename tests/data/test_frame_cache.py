"""The frame cache: order of eviction and limit."""

import numpy as np

from cpabmm_core.data.frame_cache import CachedFrame, FrameCache


def frame(value: int) -> CachedFrame:
    return CachedFrame(np.full((4, 4, 3), value, np.uint8), (4, 4, 3))  # 48 bytes


def test_the_least_recently_used_frame_is_evicted() -> None:
    cache = FrameCache(3 * 48)
    for k in range(3):
        cache.put(0, k, frame(k))
    assert cache.get(0, 0) is not None
    cache.put(1, 0, frame(9))
    assert cache.get(0, 1) is None
    kept = [cache.get(0, 0), cache.get(0, 2), cache.get(1, 0)]
    assert [each and int(each.image[0, 0, 0]) for each in kept] == [0, 2, 9]
    assert cache.bytes == 3 * 48


def test_a_limit_below_one_frame_disables_the_cache() -> None:
    for limit in (0, 47):
        cache = FrameCache(limit)
        cache.put(0, 0, frame(1))
        assert cache.get(0, 0) is None
        assert cache.bytes == 0


def test_a_frame_counts_once() -> None:
    cache = FrameCache(100)
    for _ in range(2):
        cache.put(0, 0, frame(1))
    assert cache.bytes == 48
    assert cache.has_room(52)
    assert not cache.has_room(53)
