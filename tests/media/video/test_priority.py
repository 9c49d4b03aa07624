"""No encoder takes the processors from other programs."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cpabmm_core.media import output_target

THREADS = Path("/proc/self/task")


@pytest.mark.skipif(not THREADS.is_dir(), reason="needs Linux")
@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_no_thread_becomes_real_time(tmp_path: Path, codec: str) -> None:
    """SVT-AV1 that runs as root would make all of its threads, and this one, real-time."""
    before = os.sched_getscheduler(0)
    target = output_target(str(tmp_path / "a.mp4"), codec=codec)
    with target.open(64, 64, Fraction(25), Fraction(1, 25)) as writer:
        for number in range(3):
            writer.write(np.zeros((64, 64, 3), dtype=np.uint8), number, 1)
        found = {os.sched_getscheduler(int(thread.name)) for thread in THREADS.iterdir()}
    assert found == {before}
    assert os.sched_getscheduler(0) == before
