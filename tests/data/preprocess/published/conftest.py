"""Fixtures for the published data sets."""

from pathlib import Path

import pytest


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder
