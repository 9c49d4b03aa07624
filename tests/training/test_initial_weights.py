from pathlib import Path

import pytest
import torch
from _helpers.published_model import (
    golden,
    narrow_config,
    narrow_networks,
    write_narrow_model,
)
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint.convert import convert_checkpoint
from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.training.initial_weights import initialise_weights

WIDENED = {
    "dense_motion.hourglass.down_blocks.0.conv.weight",  # reads the warped sources
    "dense_motion.contribution_head (2)",
    "dense_motion.refine_blocks.0 (4)",
    "dense_motion.refine_blocks.1.conv.weight",
    "dense_motion.occlusion_heads.1.weight",
    "dense_motion.occlusion_heads.2.weight",
}


def initialise(model: AnimationModel, checkpoint: str | Path) -> list[str]:
    """Initialise the weights and return the messages."""
    messages: list[str] = []
    initialise_weights(model, checkpoint, messages.append)
    assert all("\n" not in line for line in messages)
    return messages


def saved(path: Path, config: Config, seed: int = 1) -> Path:
    save_checkpoint(path, tiny_model(config, seed=seed), config, record={})
    return path


def test_checkpoint_of_the_same_configuration_is_copied(tmp_path: Path) -> None:
    path, model = saved(tmp_path / "same.safetensors", tiny_config()), tiny_model()
    assert len(initialise(model, path)) == 1
    expected = tiny_model(seed=1).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_tensors_without_a_match_are_listed(tmp_path: Path) -> None:
    """The checkpoint has no background, an avd network, and another width in one place."""
    changes: dict[str, object] = {
        "model.background": None,
        "model.avd": {},
        "model.inpainting.block_expansion": 8,
    }
    path, model = saved(tmp_path / "other.safetensors", tiny_config(**changes)), tiny_model()
    given = tiny_model(tiny_config(**changes), seed=1).state_dict()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, shapes, missing, unused = initialise(model, path)

    same = {
        name
        for name, tensor in before.items()
        if name in given and given[name].shape == tensor.shape
    }
    assert first == f"{path}: initialised {len(same)} of {len(before)} tensors"
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, given[name] if name in same else before[name]), name
    assert "generator.stem" in shapes
    background = [name for name in before if name.startswith("background_predictor")]
    assert missing.endswith(f": background_predictor ({len(background)})")
    avd = [name for name in given if name.startswith("avd")]
    assert unused.endswith(f": avd ({len(avd)})")


def test_published_model_of_the_same_kind_is_copied(tmp_path: Path) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar")
    model = build_model(narrow_config("tps"))
    first, avd = initialise(model, path)
    count = len(model.state_dict())
    assert first == f"{path}: initialised {count} of {count} tensors"
    assert avd == "unused (not in this model): avd (69)"
    weight = narrow_networks()["inpainting_network"]["final.weight"]
    assert torch.equal(model.generator.to_rgb.weight, weight)


def test_published_model_is_widened_for_the_papers_candidates(tmp_path: Path) -> None:
    """TPSMM has 11 candidate motions, the paper's model 12."""
    path = write_narrow_model(tmp_path / "narrow.pth.tar")
    model = build_model(narrow_config("cpab"))
    first, widened, _ = initialise(model, path)
    assert first == f"{path}: initialised 380 of 380 tensors"
    assert set(widened.removeprefix("widened for more candidate motions: ").split(", ")) == WIDENED
    assert_equal_for_the_shared_candidates(
        convert_checkpoint(path, frame_size=128).checkpoint().model, model
    )


@torch.inference_mode()
def assert_equal_for_the_shared_candidates(narrow: AnimationModel, wide: AnimationModel) -> None:
    """Contribution maps, occlusion maps and images do not depend on the twelfth candidate."""
    expected = golden("tpsmm")
    source, poses = expected["source"], (expected["kp_source"], expected["kp_driving"])
    moved = narrow.candidate_motion(*poses, (32, 32))
    rest = identity_grid(32, 32).expand(1, 1, -1, -1, -1)
    another = torch.randn(1, 1, 32, 32, 2, generator=torch.Generator().manual_seed(0))
    shared = torch.cat((rest, moved), dim=1)
    ours = narrow.eval().dense_motion(source, *poses, shared)
    wider = wide.eval().dense_motion(source, *poses, torch.cat((shared, another), dim=1))
    assert torch.equal(wider.contribution_maps[:, :11], ours.contribution_maps)
    for one, other in zip(wider.occlusion_maps, ours.occlusion_maps, strict=True):
        assert torch.equal(one, other)
    assert wider.contribution_maps[:, 11].max() < torch.finfo(torch.float32).eps
    torch.testing.assert_close(wider.deformation, ours.deformation, rtol=0, atol=1e-6)
    pictures = wide.generate(source, wider), narrow.generate(source, ours)
    torch.testing.assert_close(*pictures, rtol=0, atol=1e-4)


def test_new_candidate_can_be_trained(tmp_path: Path) -> None:
    """A few steps suffice for it to contribute where only it is right."""
    model = build_model(narrow_config("cpab"))
    initialise(model, write_narrow_model(tmp_path / "narrow.pth.tar"))
    dense, expected = model.dense_motion.train(), golden("tpsmm")
    flows = identity_grid(32, 32) + 0.5
    flows = flows.repeat(1, 12, 1, 1, 1)
    flows[:, 11] -= 0.5
    optimizer = torch.optim.Adam(dense.parameters(), lr=1e-4, betas=(0.5, 0.999))
    shares = []
    for _ in range(60):
        motion = dense(expected["source"], expected["kp_source"], expected["kp_driving"], flows)
        shares.append(motion.contribution_maps[:, 11].mean().item())
        loss = 10 * (motion.deformation - identity_grid(32, 32)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert shares[0] < 1e-7
    assert shares[-1] > 0.01


def test_network_that_differs_otherwise_is_not_widened(tmp_path: Path) -> None:
    changes = {"model.motion": "tps", "model.dense_motion.block_expansion": 2}
    path = saved(tmp_path / "narrow.safetensors", tiny_config(**changes))
    lines = initialise(tiny_model(), path)
    assert not [line for line in lines if line.startswith("widened")]
    assert [line for line in lines if "another shape" in line and "dense_motion" in line]


def test_checkpoint_without_matches_is_an_error(tmp_path: Path) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar")
    model = tiny_model()
    with pytest.raises(CheckpointError, match="no tensor matches this model"):
        initialise(model, path)
    expected = tiny_model().state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_bundled_model_is_found_by_name() -> None:
    with pytest.raises(CheckpointError, match="puppets: no tensor matches"):
        initialise(tiny_model(), "puppets")


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
def test_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes, trouble: str) -> None:
    path = tmp_path / "vox.pth.tar"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=trouble) as caught:
        initialise(tiny_model(), path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="no such file"):
        initialise(tiny_model(), tmp_path / "none.pth.tar")
