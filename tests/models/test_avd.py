from collections.abc import Mapping

import pytest
import torch
from _helpers import published_model
from torch import Tensor

from cpabmm_core.models.avd import AvdNetwork

TOLERANCE = 1e-5
"""Measured: 5e-8."""


@pytest.fixture(scope="module")
def golden() -> Mapping[str, Tensor]:
    return published_model.golden("tpsmm")


@pytest.fixture(scope="module")
def network() -> AvdNetwork:
    network = AvdNetwork(50, id_bottle_size=16, pose_bottle_size=16)
    network.load_state_dict(published_model.narrow_networks("tpsmm")["avd_network"])
    return network.eval()


@torch.inference_mode()
def test_output_agrees_with_tpsmm(network: AvdNetwork, golden: Mapping[str, Tensor]) -> None:
    ours = network(golden["kp_source"], golden["kp_driving"])
    torch.testing.assert_close(ours, golden["kp_avd"], rtol=0, atol=TOLERANCE)
    swapped = network(golden["kp_driving"], golden["kp_source"])
    assert (swapped - golden["kp_avd"]).abs().max() > 100 * TOLERANCE


def test_tensors_have_the_published_names_and_shapes() -> None:
    ours = {name: list(tensor.shape) for name, tensor in AvdNetwork(50).state_dict().items()}
    assert ours == published_model.published_shapes("tpsmm")["avd_network"]


@torch.inference_mode()
def test_poses_of_a_batch_are_independent(
    network: AvdNetwork, golden: Mapping[str, Tensor]
) -> None:
    poses = torch.cat([golden["kp_driving"], golden["kp_source"], golden["kp_avd"]])
    together = network(golden["kp_source"].expand_as(poses), poses)
    assert together.shape == (3, 50, 2)
    for pose, moved in zip(poses.split(1), together.split(1), strict=True):
        torch.testing.assert_close(moved, network(golden["kp_source"], pose))


def test_every_layer_gets_a_gradient() -> None:
    network = AvdNetwork(6, 3, 5)
    identity, pose = torch.rand(2, 4, 6, 2)
    network(identity, pose).square().sum().backward()
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    assert len(layers) == 12
    for layer in layers:
        assert layer.weight.grad is not None
        assert layer.weight.grad.abs().max() > 0
