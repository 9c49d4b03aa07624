"""The training script of the bundled weights."""

import runpy
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from cpabmm_core.metrics.extractors import puppets

EXAMPLES = Path(__file__).parents[4] / "examples"
BUNDLED = Path(puppets.__file__).parents[3] / "weights" / "puppet-extractor.safetensors"


def test_the_training_script_writes_tensors_like_the_bundled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    app = runpy.run_path(str(EXAMPLES / "train_puppet_extractor.py"))["app"]
    file = tmp_path / "weights.safetensors"
    options = ["--characters", 48, "--joint-steps", 2, "--identity-steps", 2]
    arguments = ["-o", file, "--samples", tmp_path / "samples.npz", *options]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    trained, bundled = load_file(file), load_file(BUNDLED)
    assert {key: (value.shape, value.dtype) for key, value in trained.items()} == {
        key: (value.shape, value.dtype) for key, value in bundled.items()
    }
    assert f"{BUNDLED.stat().st_size} bytes" in result.output
