from pathlib import Path

import pytest
import torch
from _helpers.published_model import narrow_config, narrow_networks, write_narrow_model
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.training.initial import take_weights

OF_THE_CANDIDATES = {
    "dense_motion.hourglass.down_blocks.0.conv.weight",  # sees the source warped by each
    "dense_motion.contribution_head",
    "dense_motion.refine_blocks.0",
    "dense_motion.refine_blocks.1.conv.weight",
    "dense_motion.occlusion_heads.1.weight",
    "dense_motion.occlusion_heads.2.weight",
}


def taken(model: AnimationModel, checkpoint: str | Path) -> list[str]:
    """What is told."""
    told: list[str] = []
    take_weights(model, checkpoint, told.append)
    assert all("\n" not in line for line in told)
    return told


def saved(path: Path, config: Config, seed: int = 1) -> Path:
    save_checkpoint(path, tiny_model(config, seed=seed), config, record={})
    return path


def test_all_of_a_checkpoint_of_the_same_configuration(tmp_path: Path) -> None:
    path, model = saved(tmp_path / "same.safetensors", tiny_config()), tiny_model()
    assert len(taken(model, path)) == 1
    expected = tiny_model(seed=1).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_what_does_not_fit_stays_and_is_told(tmp_path: Path) -> None:
    """Without a background, with an avd network, of another width in one place."""
    changes: dict[str, object] = {
        "model.background": None,
        "model.avd": {},
        "model.inpainting.block_expansion": 8,
    }
    path, model = saved(tmp_path / "other.safetensors", tiny_config(**changes)), tiny_model()
    given = tiny_model(tiny_config(**changes), seed=1).state_dict()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, shapes, missing, unused = taken(model, path)

    same = {
        name
        for name, tensor in before.items()
        if name in given and given[name].shape == tensor.shape
    }
    assert first == f"{path}: took {len(same)} of {len(before)} tensors"
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, given[name] if name in same else before[name]), name
    assert "inpainting.stem" in shapes
    background = [name for name in before if name.startswith("background_predictor")]
    assert missing.endswith(f": background_predictor ({len(background)})")
    avd = [name for name in given if name.startswith("avd")]
    assert unused.endswith(f": avd ({len(avd)})")


def test_all_of_a_published_model_of_the_same_kind(tmp_path: Path) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar")
    model = build_model(narrow_config("tps"))
    [line] = taken(model, path)
    count = len(model.state_dict())
    assert line == f"{path}: took {count} of {count} tensors"
    weight = narrow_networks()["inpainting_network"]["final.weight"]
    assert torch.equal(model.inpainting.to_rgb.weight, weight)


def test_of_a_published_model_all_but_what_sees_the_candidates(tmp_path: Path) -> None:
    """TPSMM has 11 candidate motions, the paper's model 12."""
    path = write_narrow_model(tmp_path / "narrow.pth.tar")
    model = build_model(narrow_config("cpab"))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, line = taken(model, path)
    names = {part.split(" (")[0] for part in line.split(": ")[1].split(", ")}
    assert names == OF_THE_CANDIDATES

    published = build_model(narrow_config("tps"))
    taken(published, path)
    expected = published.state_dict()
    for name, tensor in model.state_dict().items():
        left = any(name == part or name.startswith(f"{part}.") for part in OF_THE_CANDIDATES)
        assert torch.equal(tensor, before[name] if left else expected[name]), name


def test_nothing_fits(tmp_path: Path) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar")
    model = tiny_model()
    with pytest.raises(CheckpointError, match="nothing in it fits this model"):
        taken(model, path)
    expected = tiny_model().state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_a_bundled_model_by_name() -> None:
    with pytest.raises(CheckpointError, match="puppets: nothing in it fits"):
        taken(tiny_model(), "puppets")


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"<!DOCTYPE html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"", "is empty"),
        (b"PK\x03\x04 and no more", "truncated or damaged"),
    ],
    ids=["web page", "pointer", "empty", "damaged"],
)
def test_files_that_are_no_checkpoint(tmp_path: Path, content: bytes, trouble: str) -> None:
    path = tmp_path / "vox.pth.tar"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=trouble) as caught:
        taken(tiny_model(), path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="no such file"):
        taken(tiny_model(), tmp_path / "none.pth.tar")
