"""Shards: how names are distributed, and the notation I/N."""

import hashlib

import pytest

from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import ConfigError


def test_the_hash_of_a_name_determines_its_shard() -> None:
    for name in ("AAAAAAAAAAA", "-BBBBBBBBBB", "vidéo"):
        first = int(hashlib.sha256(name.encode()).hexdigest()[:16], 16)
        holders = [k for k in range(1, 8) if Shard(k, 7).contains(name)]
        assert holders == [first % 7 + 1]


def test_shards_have_similar_sizes() -> None:
    counts = [sum(Shard(k, 4).contains(f"video{n}") for n in range(4000)) for k in (1, 2, 3, 4)]
    assert sum(counts) == 4000
    assert all(abs(count - 1000) < 120 for count in counts)  # four standard deviations


def test_a_single_shard_contains_everything() -> None:
    assert Shard().contains("anything")
    assert Shard.parse("1/1") == Shard()


def test_shards_are_written_as_i_of_n() -> None:
    assert Shard.parse("2/8") == Shard(2, 8)
    assert Shard(2, 8).suffix == "-2-of-8"
    for text in ("0/8", "9/8", "2", "2/0", "a/b", "-1/8", "1/8/2", "1/", ""):
        with pytest.raises(ConfigError, match="expected I/N"):
            Shard.parse(text)
