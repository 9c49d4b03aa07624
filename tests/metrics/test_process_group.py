"""Processes that share the videos of a set."""

import json
import sys
from pathlib import Path

import pytest
from _helpers.training_runs import begin_all

from cpabmm_core.device import is_cpu
from cpabmm_core.errors import ResourceError
from cpabmm_core.metrics.process_group import join_processes


def share_videos() -> None:
    """Divide five videos in a process of a group, and note what this one got and gathered."""
    with join_processes("auto") as group:
        mine = list(group.split(list("abcde")))
        found = {"mine": mine, "all": group.gather(mine)}
    sys.stdout.write(json.dumps(found) + "\n")


@pytest.mark.skipif(not is_cpu("auto"), reason="the default device is no CPU")
def test_processes_on_the_default_device_share_the_videos(tmp_path: Path) -> None:
    pair = begin_all(2, tmp_path / "words", share_videos)
    assert [process.wait() for process in pair] == [0, 0], pair[0].stderr
    first, second = (json.loads(process.stdout) for process in pair)
    assert sorted(first["mine"] + second["mine"]) == list("abcde")
    assert first["all"] == second["all"] == first["mine"] + second["mine"]


def test_a_missing_device_is_refused() -> None:
    with pytest.raises(ResourceError, match="cuda:99"), join_processes("cuda:99"):
        pass
