from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _helpers.memory import at_most
from _helpers.odd_files.weights import make_npz_bomb

from cpabmm_core.errors import DataError
from cpabmm_core.files.archives import expanded_size
from cpabmm_core.metrics.extractors.precomputed import read_precomputed
from cpabmm_core.pointsets.number_files import read_number_file


@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_number_file(path, [".npz"]).arrays(),
        lambda path: read_precomputed(path, "keypoints"),
    ],
    ids=["points", "keypoints"],
)
def test_a_bomb_is_refused_before_it_takes_memory(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    make_npz_bomb(tmp_path / "a.npz")
    with (
        at_most(20_000_000),
        pytest.raises(DataError, match=r"a\.npz: not .*\d+ bytes would expand to 320000\d{3}\)"),
    ):
        read(tmp_path / "a.npz")


def test_ordinary_archives_are_not_excessive(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", zeros=np.zeros(10_000_000))  # 80 MB of zeros
    assert expanded_size(str(tmp_path / "a.npz")) is None
