"""The fast training step equals the plain one, and continues runs of the plain one."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from _helpers.plain_step import plain_step
from _helpers.sessions import session_of
from _helpers.tiny_model import tiny_affine_config, tiny_config
from torch import Tensor

from cpabmm_core.config import Config
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.clipping import clip_gradients
from cpabmm_core.training.optimizer import create_adam, restore_adam
from cpabmm_core.training.reporting import Silent
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.stage import own_accelerator_state
from cpabmm_core.training.step import TrainingStep

STEPS = 4
SETTINGS: dict[str, object] = {
    "losses.reconstruction_kind": "pixel",
    "losses.balance": 1.0,
    "training.batch_size": 3,
    "training.ema": 0.9,
    "training.learning_rate": 1e-3,
    "training.trackers": [],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=3, test_videos=1, frames=4, size=32, seed=0, format="strip")
    return folder


def take_steps(
    settings: Config, data: Path, out: Path, *, plain: bool
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Return the losses of some steps, and all weights, averages and statistics after them."""
    with own_accelerator_state():
        session = session_of(settings, data, out)
        session.objective.double().train()
        if session.average is not None:
            session.average.model.double()
        if session.adversary is not None:
            session.adversary.discriminator.double()
        step = TrainingStep(session, RunFolder(out), Silent())
        losses = []
        for number, read in enumerate(session.batches(0, STEPS)):
            batch = read._replace(source=read.source.double(), driving=read.driving.double())
            if plain:
                with plain_step(session.optimizer):
                    _, outcome = step.take(iter([batch]), number)
            else:
                _, outcome = step.take(iter([batch]), number)
            losses.append({k: float(v.detach()) for k, v in outcome.losses.items()})
    assert session.average is not None
    found = {f"model.{k}": v for k, v in session.model.state_dict().items()}
    found |= {f"average.{k}": v for k, v in session.average.model.state_dict().items()}
    return losses, found


@pytest.mark.parametrize(
    "settings",
    [
        tiny_config(**SETTINGS),
        tiny_config(**SETTINGS, **{"model.motion": "tps"}),
        tiny_config(
            **SETTINGS,
            **{"model.keypoints.head": "heatmap", "model.background.backbone": "hourglass"},
        ),
        tiny_config(
            **SETTINGS,
            **{
                "training.channels_last": True,
                "losses.adversarial": 1.0,
                "losses.discriminator.blocks": 2,
            },
        ),
        tiny_affine_config("pca", **SETTINGS),
    ],
    ids=["cpab", "tps", "heatmap", "adversarial", "mraa"],
)
def test_losses_equal_those_of_the_plain_step(settings: Config, data: Path, tmp_path: Path) -> None:
    """The networks compute in float64, because Adam magnifies rounding: it moves a weight whose
    gradient is 0 but for rounding as far as any other. Keypoints and flows stay in float32.
    """
    fast, weights = take_steps(settings, data, tmp_path / "fast", plain=False)
    plain, expected = take_steps(settings, data, tmp_path / "plain", plain=True)
    assert len({line["loss"] for line in plain}) == STEPS
    for mine, theirs in zip(fast, plain, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6, abs=1e-8)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-5, atol=1e-5, msg=name)


def test_the_twin_takes_other_paths(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison would mean nothing if both sides called the same operators."""
    called: set[str] = set()
    for name in ("instance_norm", "group_norm", "fold"):
        original = getattr(torch.nn.functional, name)

        def note(*inputs: Any, name: str = name, original: Any = original, **options: Any) -> Any:  # noqa: ANN401
            called.add(name)
            return original(*inputs, **options)

        monkeypatch.setattr(torch.nn.functional, name, note)
    take_steps(tiny_config(**SETTINGS), data, tmp_path / "plain", plain=True)
    assert called == {"instance_norm"}
    called.clear()
    take_steps(tiny_config(**SETTINGS), data, tmp_path / "fast", plain=False)
    assert called == {"group_norm", "fold"}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_fused_adam_equals_the_equations(weight_decay: float) -> None:
    """Algorithm 1 of Kingma and Ba, in float64, with the penalty's gradient added."""
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 7, dtype=torch.float64))
    rate, (first, second) = 0.1, (0.5, 0.999)
    optimizer = create_adam(
        [weight],
        device=torch.device("cpu"),
        learning_rate=rate,
        betas=(first, second),
        weight_decay=weight_decay,
    )
    expected, mean, square = weight.detach().clone(), torch.zeros(7), torch.zeros(7)
    for step in range(1, 5):
        weight.grad = torch.sin(step * weight.detach())
        gradient = torch.sin(step * expected) + weight_decay * expected
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        unbiased = mean / (1 - first**step), square / (1 - second**step)
        expected = expected - rate * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
        optimizer.step()
    assert optimizer.param_groups[0]["fused"]
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("saved", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("loaded", [torch.contiguous_format, torch.channels_last])
def test_states_of_earlier_versions_and_of_other_layouts_are_continued(
    saved: torch.memory_format, loaded: torch.memory_format
) -> None:
    """PyTorch's default Adam saves a state; the new one goes on with it as the old one does."""

    def convolution(layout: torch.memory_format) -> torch.nn.Module:
        torch.nn.init.normal_((layer := torch.nn.Conv2d(3, 4, 3)).weight, generator=seeded())
        torch.nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return layer.to(memory_format=layout)

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def train(layer: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        images = torch.randn(2, 3, 6, 6, generator=seeded())
        for _ in range(steps):
            optimizer.zero_grad()
            layer(images).square().mean().backward()
            optimizer.step()

    old = convolution(saved)
    plain = torch.optim.Adam(old.parameters(), lr=0.01, betas=(0.5, 0.999))
    train(old, plain, 3)
    state = copy.deepcopy(plain.state_dict())  # as from a file

    new = convolution(loaded)
    new.load_state_dict(old.state_dict())
    optimizer = create_adam(
        new.parameters(), device=torch.device("cpu"), learning_rate=1.0, betas=(0.1, 0.2)
    )
    restore_adam(optimizer, state)
    assert optimizer.param_groups[0]["lr"] == 0.01
    assert optimizer.param_groups[0]["fused"]
    for layer, each in ((old, plain), (new, optimizer)):
        train(layer, each, 3)
    for mine, theirs in zip(new.parameters(), old.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_gradients_within_the_limit_do_not_change(data: Path, tmp_path: Path) -> None:
    """Nor does their memory: they are not copied or scaled by 1."""
    with own_accelerator_state():
        session = session_of(tiny_config(**SETTINGS), data, tmp_path)
    for parameter in session.model.parameters():
        parameter.grad = torch.full_like(parameter, -3.0)
    before = {n: (p.grad, p.grad._version) for n, p in session.model.named_parameters()}  # type: ignore[union-attr]
    found = clip_gradients(session.model, 3.0)
    assert (float(found.largest), found.clipped) == (3.0, False)
    for name, parameter in session.model.named_parameters():
        gradient, version = before[name]
        assert parameter.grad is gradient
        assert parameter.grad is not None
        assert parameter.grad._version == version


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("network", ["keypoint_detector", "generator"])
def test_an_entry_that_is_not_finite_is_found(
    data: Path, tmp_path: Path, network: str, value: float
) -> None:
    with own_accelerator_state():
        session = session_of(tiny_config(**SETTINGS), data, tmp_path)
    for parameter in session.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    last = list(getattr(session.model, network).parameters())[-1]
    last.grad.view(-1)[-1] = value
    assert not clip_gradients(session.model, None).largest.isfinite()
