import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from _helpers.process_calls import STAY, die, note, stay

from cpabmm_core.errors import ResourceError
from cpabmm_core.process_map import process_map

WORKERS_LOAD = """
import sys
import cpabmm_core.puppets.write
print([name for name in ("torch", "scipy", "skimage", "numba") if name in sys.modules])
"""


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(tmp_path: Path, workers: int) -> None:
    paths = [tmp_path / str(number) for number in range(5)]
    with process_map(workers) as run:
        assert list(run(note, paths)) == [None] * 5
    callers = {int(path.read_text()) for path in paths}
    assert (os.getpid() in callers) is (workers == 1)
    assert len(callers) <= workers


def test_exception_ends_the_workers_during_a_call(tmp_path: Path) -> None:
    first, second, third = paths = [tmp_path / name for name in "abc"]

    def interrupted() -> None:
        with process_map(2) as run:
            run(stay, paths)
            while not (first.exists() and second.exists()):
                time.sleep(0.01)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < STAY / 2
    assert not third.exists()
    assert not any(is_alive(int(path.read_text() or 0)) for path in (first, second))


def test_killed_worker_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="a worker process was killed"), process_map(2) as run:
        list(run(die, [tmp_path]))


def test_rendering_workers_do_not_load_torch() -> None:
    """Importing torch takes longer than rendering a few videos."""
    done = subprocess.run(
        [sys.executable, "-c", WORKERS_LOAD], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
