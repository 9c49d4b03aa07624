from pathlib import Path

import pytest
import torch
from _helpers.published_model import write_narrow_model
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.checkpoint.load import find_checkpoint, load_model
from cpabmm_core.checkpoint.names import BUNDLED, DEFAULT_CHECKPOINT
from cpabmm_core.errors import CheckpointError, ResourceError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, tiny_model(), tiny_config(), record={})
    return path


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the folder of the bundled weights."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr("cpabmm_core.checkpoint.load.resources.files", lambda _: tmp_path)
    return folder


def test_default_model_is_bundled() -> None:
    assert DEFAULT_CHECKPOINT in BUNDLED


def test_model_loads_by_path(checkpoint: Path) -> None:
    model = load_model(str(checkpoint), device="cpu")
    assert not model.training
    expected = tiny_model().state_dict()
    assert all(torch.equal(values, expected[name]) for name, values in model.state_dict().items())


def test_model_loads_by_name(checkpoint: Path, weights: Path) -> None:
    (weights / "puppets.safetensors").write_bytes(checkpoint.read_bytes())
    assert find_checkpoint("puppets") == weights / "puppets.safetensors"
    assert load_model("puppets", device="cpu").frame_size == 32
    assert load_model(device="cpu").frame_size == 32


def test_missing_bundled_model_is_named(weights: Path) -> None:
    with pytest.raises(CheckpointError, match="puppets: the bundled model is missing from this"):
        load_model("puppets")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pupets", r"pupets: no such model; did you mean puppets\? \(bundled: puppets\); give one"),
        ("faces", r"faces: no such model \(bundled: puppets\); give one of these or the path"),
        ("faces.safetensors", r"faces\.safetensors: no such file; check the path"),
        ("runs/puppets", r"runs/puppets: no such file; check the path"),
        (Path("puppets"), r"puppets: no such file"),
    ],
)
def test_unknown_names_and_paths(name: str | Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_model(name)


def test_device_is_checked_before_the_file_is_read() -> None:
    with pytest.raises(ResourceError, match="cuda:99"):
        load_model("no such model", device="cuda:99")


def test_published_models_have_the_same_interface(tmp_path: Path) -> None:
    for family in ("tpsmm", "fomm", "mraa"):
        model = load_model(write_narrow_model(tmp_path / "model.pth.tar", family), "cpu")
        source, driving = torch.rand(2, 1, 3, 128, 128).unbind()
        with torch.inference_mode():
            kp_source, kp_driving = model.keypoints(source), model.keypoints(driving)
            background = model.background(source, driving)
            assert (background is None) == (family == "fomm")
            motion = model.motion(source, kp_source, kp_driving, background)
            assert model.generate(source, motion).shape == source.shape
