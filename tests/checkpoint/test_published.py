from pathlib import Path
from typing import Any

import pytest
import torch
from _helpers.published_model import narrow_networks, published_shapes, write_narrow_model

from cpabmm_core.checkpoint.published import our_name, read_published
from cpabmm_core.config import load_config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.models.build import build_model


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def error_of(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_published(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("config", ["vox-256-tps", "taichi-256-tps", "ted-384-tps"])
def test_published_models_are_those_of_our_tps_configurations(config: str) -> None:
    with torch.device("meta"):
        ours = build_model(load_config(config)).state_dict()
    theirs = {our_name(name): shape for name, shape in published_shapes().items()}
    assert len(theirs) == len(published_shapes())
    assert theirs == {name: list(tensor.shape) for name, tensor in ours.items()}


def test_every_network_is_read_and_nothing_else(tmp_path: Path) -> None:
    networks = narrow_networks()
    read = read_published(write_narrow_model(tmp_path / "narrow.pth.tar"))
    drawn = {
        our_name(f"{network}.{key}"): tensor
        for network, tensors in networks.items()
        for key, tensor in tensors.items()
        if key != "down.weight"
    }
    assert read.keys() == drawn.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in drawn.items())


def test_wrapped_networks_and_half_precision(tmp_path: Path) -> None:
    plain = read_published(write_narrow_model(tmp_path / "plain.pth.tar"))
    wrapped = {
        network: {
            f"module.{key}": tensor.half() if tensor.is_floating_point() else tensor
            for key, tensor in tensors.items()
        }
        for network, tensors in narrow_networks().items()
    }
    read = read_published(save(tmp_path / "wrapped.pth.tar", wrapped))
    assert read.keys() == plain.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(read[name], tensor, rtol=1e-3, atol=1e-6)  # and of its type


def test_the_background_and_the_avd_network_may_be_missing_or_there(tmp_path: Path) -> None:
    networks = narrow_networks()
    del networks["bg_predictor"]
    networks["avd_network"] = {"id_encoder.0.weight": torch.ones(2)}
    read = read_published(save(tmp_path / "a.pth.tar", networks))
    assert torch.equal(read["avd.id_encoder.0.weight"], torch.ones(2))
    assert not [name for name in read if name.startswith("background_predictor")]


def test_a_tensor_without_a_name_here_keeps_theirs(tmp_path: Path) -> None:
    networks = narrow_networks()
    networks["kp_detector"]["new.weight"] = torch.ones(2)
    assert "kp_detector.new.weight" in read_published(save(tmp_path / "a.pth.tar", networks))


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    fomm: dict[str, object] = {"generator": {}, "kp_detector": {}, "discriminator": {}}
    message = error_of(save(tmp_path / "fomm.pth.tar", fomm))
    assert "no dense_motion_network, inpainting_network" in message
    assert "it has discriminator, generator, kp_detector" in message
    assert "not a model laid out as TPSMM's" in error_of(save(tmp_path / "list.pth", [1, 2]))
    assert "it has nothing" in error_of(save(tmp_path / "none.pth", {}))


def test_nothing_in_the_file_is_executed(tmp_path: Path) -> None:
    message = error_of(save(tmp_path / "trap.pth.tar", Trap(tmp_path / "sprung")))
    assert "nothing of it was executed" in message
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_file_that_was_cut_off(tmp_path: Path, kept: float) -> None:
    path = write_narrow_model(tmp_path / "cut.pth.tar")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert "truncated or damaged" in error_of(path)
