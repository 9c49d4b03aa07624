"""Fixtures for raw videos."""

from pathlib import Path

import pytest
from _helpers.raw_data_sets import NAMES, make
from _helpers.raw_videos import across, wandering, write_frames


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write five videos. Of 20 frames, 8 + 8 become clips and 4 are dropped; of 5, none do."""
    folder = tmp_path_factory.mktemp("raw")
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(exist_ok=True)
        frames = wandering(across(5 if name.startswith("short") else 20), seed=seed)
        write_frames(folder / name, frames)
    return folder


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the data set of all raw videos."""
    output = tmp_path_factory.mktemp("whole") / "set"
    make(raw, output)
    return output
