from pathlib import Path

import pytest
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint.format import save_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny model with random weights, of frame size 32."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny_model(), tiny_config(), record={"steps": 7, "seed": 0})
    return path
