"""The discriminator of a run, trained in every step on the frames that the model generated."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from _helpers.first_step import discriminator_gradients, write_discriminator_gradients
from _helpers.sessions import session_of
from _helpers.tiny_model import tiny_affine_config, tiny_config
from _helpers.training_runs import begin, begin_all, command, lines
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.config import Config, dump_config, load_config
from cpabmm_core.data.batches import TimedBatches
from cpabmm_core.errors import CheckpointError, TrainingError
from cpabmm_core.losses.adversarial import discriminator_loss
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.adversary import Adversary
from cpabmm_core.training.loop import train
from cpabmm_core.training.reporting import Silent
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.session import Session
from cpabmm_core.training.step import TrainingStep

SIZES = {"block_expansion": 4, "max_features": 12, "blocks": 2}
SETTINGS = {
    "losses.reconstruction_kind": "pixel",
    "losses.adversarial": 1.0,
    "losses.discriminator": SIZES,
    "training.batch_size": 2,
    "training.log_every": 1,
    "training.checkpoint_every": 2,
    "training.trackers": [],
}
MODEL_TERMS = {"reconstruction", "warp", "equivariance", "frame_equivariance"}
ADVERSARIAL_TERMS = {"adversarial", "feature_matching"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=8, test_videos=1, frames=6, size=32, seed=0, format="strip")
    return folder


def config(**changes: object) -> Config:
    return tiny_affine_config(**(SETTINGS | changes))


def run(
    settings: Config, data: Path, out: Path, *, steps: int, resume: str | None = None
) -> list[dict[str, float]]:
    """Train and return the log."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        train(TrainingRun(settings, data, out, steps=steps, resume=resume, device="cpu"))
    return lines(out / "log.jsonl")


def step_of(settings: Config, data: Path, out: Path) -> tuple[TrainingStep, Adversary]:
    session = session_of(settings, data, out)
    session.objective.train()
    assert session.adversary is not None
    return TrainingStep(session, RunFolder(out), Silent()), session.adversary


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def changed(network: nn.Module, before: dict[str, Tensor]) -> bool:
    return any(not torch.equal(p, before[name]) for name, p in network.named_parameters())


def test_log_has_all_terms_and_sums_those_of_the_model(data: Path, tmp_path: Path) -> None:
    log = run(config(), data, tmp_path / "run", steps=3)
    for line in log:
        others = {"step", "loss", "learning_rate", "clipped"}
        losses = {k: v for k, v in line.items() if k not in others}
        assert losses.keys() == MODEL_TERMS | ADVERSARIAL_TERMS | {"discriminator"}
        assert all(math.isfinite(value) and value > 0 for value in losses.values())
        del losses["discriminator"]
        assert line["loss"] == pytest.approx(sum(losses.values()), rel=1e-5)


def test_small_frames_fit_the_published_discriminator(data: Path, tmp_path: Path) -> None:
    """Frames of 64 x 64 are large enough for its four blocks."""
    changes = ["losses.adversarial=1", "losses.reconstruction_kind=pixel"]
    changes += ["training.batch_size=2", "training.trackers=[]", "training.mixed_precision=no"]
    [line] = run(load_config("puppets-64-fomm", changes), data, tmp_path / "run", steps=1)
    assert line.keys() >= ADVERSARIAL_TERMS | {"discriminator"}
    state = torch.load(tmp_path / "run" / "states" / "step-00000001" / "trainer.pt")
    assert state["adversary"]["discriminator"]["blocks.3.conv.bias"].shape == (512,)


def test_result_is_independent_of_the_discriminator(data: Path, tmp_path: Path) -> None:
    """Tensors and initial losses of the model are the same with and without one."""
    run(config(), data, tmp_path / "with", steps=1)
    run(config(**{"losses.adversarial": 0}), data, tmp_path / "without", steps=1)
    first, second = (
        load_checkpoint(tmp_path / name / "model.safetensors").model.state_dict()
        for name in ("with", "without")
    )
    assert {k: v.shape for k, v in first.items()} == {k: v.shape for k, v in second.items()}
    logs = [lines(tmp_path / name / "log.jsonl")[0] for name in ("with", "without")]
    assert {logs[0][name] == logs[1][name] for name in MODEL_TERMS} == {True}


def plain_step(session: Session, discriminator: nn.Module) -> dict[str, Tensor]:
    """Return the discriminator after a first step by the formula and plain Adam."""
    (batch,) = session.batches(0, 1)
    step = TrainingStep(session, RunFolder(Path()), Silent())
    outcome = step._forward(batch, 0, 0, 0.0)
    both = torch.cat((batch.driving, outcome.pair.generated.detach()))
    real, generated = discriminator(both, outcome.pair.kp_driving.repeat(2, 1, 1)).realness.split(2)
    loss = ((1 - real) ** 2 + generated**2).mean()
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-3, betas=(0.5, 0.999))
    loss.backward()
    optimizer.step()
    return weights(discriminator)


def test_step_equals_the_published_loop(data: Path, tmp_path: Path) -> None:
    """It uses frames generated before the model's step, and the discriminator before its own."""
    settings = config(**{"training.learning_rate": 3e-3, "training.weight_decay": 0})
    step, adversary = step_of(settings, data, tmp_path)
    before = weights(adversary.discriminator)
    step.take(TimedBatches(step.session.batches(0, 1)), 0)
    assert changed(adversary.discriminator, before)
    assert all(parameter.grad is None for parameter in adversary.discriminator.parameters())
    other, twin = step_of(settings, data, tmp_path)
    expected = plain_step(other.session, twin.discriminator)
    for name, value in weights(adversary.discriminator).items():
        if (
            name != "blocks.1.conv.bias"
        ):  # its gradient is rounding noise, because instance norm follows
            assert torch.allclose(value, expected[name], atol=1e-5), name


def test_discriminator_learns_to_separate_frames(data: Path, tmp_path: Path) -> None:
    step, adversary = step_of(config(), data, tmp_path)
    batches = TimedBatches(step.session.batches(0, 1))
    batch = next(batches)
    outcome = step._forward(batch, 0, 0, 0.0)
    losses = []
    for _ in range(100):
        adversary.remember(batch.driving, outcome.pair)
        losses.append(adversary.differentiate(3e-3)[0].item())
        adversary.step()
    assert losses[0] > 0.5
    assert losses[-1] < 0.4  # the loss of a constant score of 1/2 is 0.5


def test_resumed_run_logs_the_same_as_an_uninterrupted_one(data: Path, tmp_path: Path) -> None:
    settings = config(**{"training.accumulation": 2, "training.ema": 0.9})
    whole = run(settings, data, tmp_path / "whole", steps=4)
    run(settings, data, tmp_path / "parts", steps=2)
    assert run(settings, data, tmp_path / "parts", steps=4, resume="auto") == whole
    final = [
        torch.load(tmp_path / name / "states" / "step-00000004" / "trainer.pt")["adversary"]
        for name in ("whole", "parts")
    ]
    for name, value in final[0]["discriminator"].items():
        assert torch.equal(value, final[1]["discriminator"][name]), name


def test_states_without_a_discriminator_have_no_entry_for_it(data: Path, tmp_path: Path) -> None:
    """Such a run can resume with a new discriminator."""
    run(config(**{"losses.adversarial": 0}), data, tmp_path / "run", steps=2)
    state = torch.load(tmp_path / "run" / "states" / "step-00000002" / "trainer.pt")
    assert state.keys() == {"step", "optimizer", "scaler", "random", "best", "clipped"}
    log = run(config(), data, tmp_path / "run", steps=3, resume="auto")
    assert ["discriminator" in line for line in log] == [False, False, True]


def test_state_of_another_discriminator_is_refused(data: Path, tmp_path: Path) -> None:
    run(config(), data, tmp_path / "run", steps=2)
    wider = config(**{"losses.discriminator": {**SIZES, "block_expansion": 8}})
    with pytest.raises(CheckpointError, match=r"was losses\.discriminator changed\?$") as raised:
        run(wider, data, tmp_path / "run", steps=3, resume="auto")
    assert "\n" not in str(raised.value)


def test_learning_rate_follows_the_milestones(data: Path, tmp_path: Path) -> None:
    """8 clips in batches of 2: an epoch is 4 steps."""
    settings = config(**{"training.milestones": (0.5,), "training.milestone_factor": 0.5})
    step, adversary = step_of(settings, data, tmp_path)
    batches, rates = TimedBatches(step.session.batches(0, 3)), []
    for number in range(3):
        step.take(batches, number)
        rates.append(adversary.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-4, 1e-4, 5e-5])


def spoil(monkeypatch: pytest.MonkeyPatch, call: int, change: Callable[[Tensor], Tensor]) -> None:
    """Change the discriminator's loss in its n-th computation."""
    calls = 0

    def compute_spoilt_loss(network: nn.Module, *frames: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        loss = discriminator_loss(network, *frames)
        return change(loss) if calls == call else loss

    monkeypatch.setattr("cpabmm_core.training.adversary.discriminator_loss", compute_spoilt_loss)


def add_infinite_gradient(loss: Tensor) -> Tensor:
    """Add a term of value 0 whose gradient is infinite."""
    return loss + (0 * loss).sqrt()


@pytest.mark.parametrize(
    ("what", "change"),
    [("loss", lambda loss: loss * math.nan), ("gradient", add_infinite_gradient)],
)
def test_values_that_are_not_finite_stop_the_run(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    change: Callable[[Tensor], Tensor],
) -> None:
    step, _ = step_of(config(), data, tmp_path)
    (batch,) = step.session.batches(2, 3)
    spoil(monkeypatch, 3, change)
    with pytest.raises(TrainingError) as raised:
        run(config(), data, tmp_path / "run", steps=5)
    assert f"the discriminator's {what} of step 3 is nan, on {', '.join(batch.names)};" in str(
        raised.value
    )
    assert len(lines(tmp_path / "run" / "log.jsonl")) == 2


def in_half_precision(
    step: TrainingStep, adversary: Adversary, monkeypatch: pytest.MonkeyPatch
) -> TrainingStep:
    """Return the steps in fp16 with a loss scaler, which Accelerate creates on GPUs only."""
    monkeypatch.setitem(AcceleratorState._shared_state, "_mixed_precision", "fp16")
    accelerator, scaler = step.accelerator, torch.amp.GradScaler("cpu", init_scale=16.0)
    accelerator.native_amp, accelerator.scaler = True, scaler
    optimizers = [
        AcceleratedOptimizer(
            torch.optim.Adam(network.parameters(), betas=(0.5, 0.999), weight_decay=1e-4),
            scaler=scaler,
        )
        for network in (step.model, adversary.discriminator)
    ]
    # Accelerate unscales the gradients of all its optimizers when one is clipped.
    monkeypatch.setattr(accelerator, "_optimizers", optimizers)
    adversary.optimizer = optimizers[1]
    settings = config(**{"training.mixed_precision": "fp16"})
    session = replace(step.session, config=settings, optimizer=optimizers[0])
    return TrainingStep(session, RunFolder(Path()), Silent())


def test_overflow_in_fp16_skips_the_discriminators_step_only(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, adversary = step_of(config(), data, tmp_path)
    step = in_half_precision(step, adversary, monkeypatch)
    networks = (step.model, adversary.discriminator)
    batches = TimedBatches(step.session.batches(0, 3))
    spoil(monkeypatch, 2, lambda loss: loss * math.inf)
    for moved, overflows in (([True, True], 0), ([True, False], 1), ([True, True], 0)):
        before = [weights(network) for network in networks]
        step.take(batches, 0)
        pairs = zip(networks, before, strict=True)
        assert [changed(network, weights) for network, weights in pairs] == moved
        assert step.guard.overflows == overflows
    assert step.accelerator.scaler.get_scale() == 8
    assert all(bool(p.isfinite().all()) for network in networks for p in network.parameters())


def first_moments(adversary: Adversary) -> dict[str, Tensor]:
    """Return Adam's first moments."""
    named = adversary.discriminator.named_parameters()
    return {name: adversary.optimizer.state[p]["exp_avg"] for name, p in named}


def test_loss_scaling_does_not_change_the_gradient(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scale changes between the model's step and the discriminator's."""
    differentiate, norms = Adversary.differentiate, []

    def record_norm(adversary: Adversary, rate: float) -> tuple[Tensor, Tensor]:
        loss, norm = differentiate(adversary, rate)
        norms.append(norm.item())
        return loss, norm

    monkeypatch.setattr(Adversary, "differentiate", record_norm)
    plain, scaled = (step_of(config(), data, tmp_path) for _ in range(2))
    plain[0].take(TimedBatches(plain[0].session.batches(0, 1)), 0)
    step = in_half_precision(*scaled, monkeypatch)
    step.accelerator.scaler.set_growth_interval(1)
    step.take(TimedBatches(step.session.batches(0, 1)), 0)
    assert step.accelerator.scaler.get_scale() == 16 * 2 * 2
    expected = first_moments(plain[1])
    largest = max(float(moment.abs().max()) for moment in expected.values())
    for name, moment in first_moments(scaled[1]).items():
        # Measured: 0.014, from rounding to 16 bits. A misplaced scale would be a factor of 2.
        assert torch.allclose(moment, expected[name], atol=0.05 * largest), name
    assert norms[1] == pytest.approx(norms[0], rel=0.05)


def test_bf16_is_close_to_float32(data: Path, tmp_path: Path) -> None:
    logs = {}
    for precision in ("no", "bf16"):  # of which Accelerate allows one in a process
        path, out = tmp_path / f"{precision}.yaml", tmp_path / precision
        path.write_text(dump_config(config(**{"training.mixed_precision": precision})))
        folders = ("--config", path, "--data", data, "--out", out)
        process = begin(
            Path(f"{out}.words"), command, "train", *folders, "--steps", 2, "--device", "cpu"
        )
        assert process.wait() == 0, process.stderr
        logs[precision] = lines(out / "log.jsonl")
    for name in ADVERSARIAL_TERMS | {"discriminator"}:
        for exact, rough in zip(logs["no"], logs["bf16"], strict=True):
            assert rough[name] == pytest.approx(exact[name], rel=0.05), name
            assert rough[name] != exact[name], name
    state = torch.load(tmp_path / "bf16" / "states" / "step-00000002" / "trainer.pt")
    assert {t.dtype for t in state["adversary"]["discriminator"].values()} == {torch.float32}


# Batch normalisation uses each batch separately; see test_processes.
WITHOUT_BATCH_NORM = {
    "model.keypoints.backbone": "test_convnext",
    "model.background.backbone": "test_convnext",
    "model.motion": "tps",
}


def write_config(path: Path, **changes: object) -> Path:
    path.write_text(dump_config(tiny_config(**(SETTINGS | WITHOUT_BATCH_NORM | changes))))
    return path


def assert_gradients_agree(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    assert largest > 0.01
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-5 * largest), name


def test_two_processes_have_the_gradient_of_one(data: Path, tmp_path: Path) -> None:
    """Two batches of 2 equal one batch of 4."""
    halves = write_config(tmp_path / "2.yaml")
    both = write_config(tmp_path / "4.yaml", **{"training.batch_size": 4})
    write = write_discriminator_gradients
    processes = begin_all(2, tmp_path / "words", write, halves, data, tmp_path)
    with torch.random.fork_rng(devices=[]):
        expected, _ = discriminator_gradients(both, data, tmp_path)
    assert [process.wait() for process in processes] == [0, 0], processes[0].stderr
    for rank in range(2):
        assert_gradients_agree(torch.load(tmp_path / f"gradients-{rank}.pt"), expected)


def test_accumulated_gradients_equal_those_of_one_batch(data: Path, tmp_path: Path) -> None:
    """Spectral norms are off, because their estimate improves with each pass."""
    plain = {**SIZES, "spectral_norm": False}
    found = []
    for name, batch, parts in (("parts", 2, 2), ("whole", 4, 1)):
        changes = {"training.batch_size": batch, "training.accumulation": parts}
        path = tmp_path / f"{name}.yaml"
        write_config(path, **changes, **{"losses.discriminator": plain})
        with torch.random.fork_rng(devices=[]):
            found.append(discriminator_gradients(path, data, tmp_path)[0])
    assert_gradients_agree(*found)
