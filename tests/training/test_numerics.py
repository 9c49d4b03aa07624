"""The numbers of a run: steps, checks for finite values, averaging and validation."""

import copy
import math
import signal
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.command_line import assert_fails
from _helpers.first_step import first_gradients
from _helpers.sessions import session_of
from _helpers.tiny_model import tiny_config, tiny_model
from _helpers.training_runs import lines
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState
from PIL import Image
from torch import Tensor

from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.config import Config, DataConfig, dump_config
from cpabmm_core.data.batches import TimedBatches, read_batches
from cpabmm_core.data.validation_pairs import open_validation
from cpabmm_core.errors import ConfigError, TrainingError, TrainingStopped
from cpabmm_core.losses.objective import Objective, Outcome
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.motion import MotionKind
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training import loop
from cpabmm_core.training.averaging import AveragedModel
from cpabmm_core.training.clipping import Clipping
from cpabmm_core.training.loop import train
from cpabmm_core.training.reporting import Silent
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.sampling import sample_step
from cpabmm_core.training.session import _configure_networks
from cpabmm_core.training.step import TrainingStep
from cpabmm_core.training.validation import Validation, validate

SETTINGS = {
    "losses.reconstruction_kind": "pixel",
    "model.motion": "tps",
    "training.batch_size": 2,
    "training.log_every": 1,
    "training.checkpoint_every": 1,
    "training.trackers": [],
}
TEST_FRAMES = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(
        folder, videos=8, test_videos=2, frames=TEST_FRAMES, size=32, seed=0, format="strip"
    )
    return folder


def config(**changes: object) -> Config:
    return tiny_config(**(SETTINGS | changes))


def run(settings: Config, data: Path, out: Path, *, steps: int) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return train(TrainingRun(settings, data, out, steps=steps, device="cpu"))


def spoil(
    monkeypatch: pytest.MonkeyPatch, step: int, change: Callable[[Tensor, Objective], Tensor]
) -> None:
    """Change the loss of one step."""
    forward, calls = Objective.forward, 0

    def spoilt_forward(objective: Objective, *frames: Tensor, **options: object) -> Outcome:
        nonlocal calls
        calls += 1
        outcome = forward(objective, *frames, **options)  # type: ignore[arg-type]
        if calls != step:
            return outcome
        loss = change(outcome.losses["loss"], objective)
        return replace(outcome, losses={**outcome.losses, "loss": loss})

    monkeypatch.setattr(Objective, "forward", spoilt_forward)


def spoil_loss(loss: Tensor, objective: Objective) -> Tensor:
    return loss * math.nan


def spoil_gradient(loss: Tensor, objective: Objective) -> Tensor:
    """Add a term of value 0 whose gradient is infinite."""
    return loss + (0 * next(objective.parameters())).sqrt().sum()


@pytest.mark.parametrize(("what", "change"), [("loss", spoil_loss), ("gradient", spoil_gradient)])
def test_values_that_are_not_finite_stop_the_run(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    change: Callable[[Tensor, Objective], Tensor],
) -> None:
    """The weights do not change; the message names the clips of the step and the last state."""
    (batch,) = session_of(config(), data, tmp_path).batches(2, 3)
    spoil(monkeypatch, 3, change)
    with pytest.raises(TrainingError) as raised:
        run(config(), data, tmp_path / "run", steps=5)
    last = RunFolder(tmp_path / "run").states / "step-00000002"
    assert str(raised.value) == (
        f"the {what} of step 3 is nan, on {', '.join(batch.names)}; lower training.learning_rate "
        f"and resume from {last}"
    )
    assert len(set(batch.names)) == 2
    assert RunFolder(tmp_path / "run").find_state("auto") == (last, [])
    saved = load_checkpoint(last / "model.safetensors").model.state_dict()
    assert all(bool(tensor.isfinite().all()) for tensor in saved.values())
    assert len(lines(tmp_path / "run" / "log.jsonl")) == 2


def test_failure_before_the_first_state_suggests_the_start(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, 1, spoil_loss)
    with pytest.raises(TrainingError, match=r"lower training\.learning_rate and start again$"):
        run(config(), data, tmp_path / "run", steps=5)


def test_run_that_diverges_ends_with_code_1(data: Path, tmp_path: Path) -> None:
    (tmp_path / "wild.yaml").write_text(dump_config(config(**{"training.learning_rate": 1e30})))
    folders = ("--config", tmp_path / "wild.yaml", "--data", data, "--out", tmp_path / "run")
    options = ("--device", "cpu", "--steps", 9)
    assert_fails(1, "--quiet", "train", *folders, *options, words=".png; lower training.")


@pytest.fixture
def half_precision(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingStep:
    """Return steps in fp16 with a loss scaler, which Accelerate creates on GPUs only."""
    session = session_of(config(**{"training.ema": 0.5}), data, tmp_path)
    settings = config(**{"training.ema": 0.5, "training.mixed_precision": "fp16"})
    monkeypatch.setitem(AcceleratorState._shared_state, "_mixed_precision", "fp16")
    accelerator, scaler = session.accelerator, torch.amp.GradScaler("cpu", init_scale=16.0)
    accelerator.native_amp, accelerator.scaler = True, scaler
    plain = torch.optim.Adam(session.model.parameters(), lr=1e-4)
    optimizer = AcceleratedOptimizer(plain, scaler=scaler)
    session = replace(session, config=settings, optimizer=optimizer)
    session.objective.train()
    return TrainingStep(session, RunFolder(tmp_path / "run"), Silent())


def everything(step: TrainingStep) -> dict[str, Tensor]:
    average = step.session.average
    assert average is not None
    states = {"model": step.model.state_dict(), "average": average.model.state_dict()}
    return {
        f"{name}.{key}": value.clone()
        for name, state in states.items()
        for key, value in state.items()
    }


def overflow(loss: Tensor, objective: Objective) -> Tensor:
    """Overflow the scaled gradients and the running statistics."""
    for module in objective.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.data.fill_(math.inf)
    return loss * math.inf


@pytest.mark.parametrize("change", [overflow, spoil_gradient, spoil_loss])
def test_overflow_in_fp16_skips_a_step(
    half_precision: TrainingStep,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Tensor, Objective], Tensor],
) -> None:
    step = half_precision
    batches = TimedBatches(step.session.batches(0, 3))
    spoil(monkeypatch, 2, change)
    step.take(batches, 0)
    before = everything(step)
    scale = step.accelerator.scaler.get_scale()
    step.take(batches, 1)
    for name, value in everything(step).items():
        assert torch.equal(value, before[name]), name
    assert step.accelerator.scaler.get_scale() == scale / 2
    assert step.guard.overflows == 1
    step.take(batches, 2)
    assert step.guard.overflows == 0
    after = everything(step)
    assert any(not torch.equal(after[name], before[name]) for name in before)
    assert all(bool(value.isfinite().all()) for value in after.values())


def test_persistent_overflow_stops_the_run(
    half_precision: TrainingStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = half_precision
    step.guard.overflows = 24
    batches = TimedBatches(step.session.batches(0, 2))
    forward = Objective.forward

    def spoilt_forward(objective: Objective, *frames: Tensor, **options: object) -> Outcome:
        outcome = forward(objective, *frames, **options)  # type: ignore[arg-type]
        return replace(outcome, losses={"loss": outcome.losses["loss"] * math.nan})

    monkeypatch.setattr(Objective, "forward", spoilt_forward)
    step.take(batches, 0)
    with pytest.raises(TrainingError, match="loss of step 2 is nan"):
        step.take(batches, 1)


def test_unsupported_precision_is_one_line(data: Path, tmp_path: Path) -> None:
    settings = config(**{"training.mixed_precision": "fp16"})
    with pytest.raises(ConfigError, match=r"training\.mixed_precision=fp16 on cpu"):
        session_of(settings, data, tmp_path)


def filled(value: float) -> AnimationModel:
    model = tiny_model()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(value)
    return model


def test_average_of_a_constant_is_the_constant() -> None:
    model = tiny_model()
    average = AveragedModel(model, 0.9)
    for step in range(1, 5):
        average.update(model, step)
    for mine, theirs in zip(average.model.parameters(), model.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-6, atol=1e-9)


def test_average_follows_a_step_by_its_decays() -> None:
    """From 0 to 1 it reaches 1 - the product of the decays, each at most the given one."""
    average = AveragedModel(filled(0.0), 0.5)
    model = filled(1.0)
    steps = 12  # (1 + k) / (10 + k) passes 1/2 at k = 8
    for step in range(1, steps + 1):
        average.update(model, step)
    expected = 1 - math.prod([(1 + k) / (10 + k) for k in range(1, 9)]) * 0.5**4
    for parameter in average.model.parameters():
        assert torch.allclose(parameter, torch.tensor(expected), atol=1e-6)
    for buffer in average.model.buffers():
        assert bool((buffer == 1).all())  # running statistics are copied


# Batch normalisation uses each batch separately, so its result for 2 x 2 pairs differs from that
# for 4. These networks use layer normalisation.
WITHOUT_BATCH_NORM = {
    "model.keypoints.backbone": "test_convnext",
    "model.background.backbone": "test_convnext",
    "training.clip_largest_entry": None,
    "training.candidate_dropout": {"start": 0.5, "maximum": 0.5},
}


def test_accumulated_gradients_equal_those_of_one_batch(data: Path, tmp_path: Path) -> None:
    found = {}
    for name, batch, parts in (("parts", 2, 2), ("whole", 4, 1)):
        changes = {"training.batch_size": batch, "training.accumulation": parts}
        path = tmp_path / f"{name}.yaml"
        path.write_text(dump_config(config(**WITHOUT_BATCH_NORM, **changes)))
        with torch.random.fork_rng(devices=[]):
            found[name], _ = first_gradients(path, data, tmp_path)
    largest = max(float(gradient.abs().max()) for gradient in found["whole"].values())
    assert largest > 0.1
    assert found["parts"].keys() == found["whole"].keys()
    for name, gradient in found["whole"].items():
        assert torch.allclose(found["parts"][name], gradient, rtol=1e-5, atol=1e-5 * largest), name


@pytest.mark.parametrize("limit", [0.01, 1e9, None])
def test_each_network_is_clipped_by_its_largest_entry(
    data: Path, tmp_path: Path, limit: float | None
) -> None:
    found = {}
    for name, value in (("before", None), ("after", limit)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(dump_config(config(**{"training.clip_largest_entry": value})))
        with torch.random.fork_rng(devices=[]):
            found[name], _ = first_gradients(path, data, tmp_path)
    largest: dict[str, float] = {}
    for name, gradient in found["before"].items():
        network = name.split(".")[0]
        largest[network] = max(largest.get(network, 0.0), float(gradient.abs().max()))
    assert min(largest.values()) > 0.01
    assert len(set(largest.values())) == 4
    for name, gradient in found["after"].items():
        network = name.split(".")[0]
        factor = 1.0
        if limit is not None and network != "generator":
            factor = min(1.0, limit / largest[network])
        torch.testing.assert_close(gradient, factor * found["before"][name], rtol=1e-4, atol=1e-9)


def test_log_contains_the_share_of_clipped_steps(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of steps 2 to 4 and three of 5 to 8 are clipped; the run resumes after step 6."""
    clipped = iter([False, False, True, False, True, False, True, True])

    def clip(*_: object) -> Clipping:
        return Clipping(torch.ones(()), next(clipped))

    monkeypatch.setattr("cpabmm_core.training.step.clip_gradients", clip)
    settings = config(**{"training.log_every": 4})
    stop = iter([None] * 5 + [signal.SIGTERM])
    out = tmp_path / "run"
    with pytest.raises(TrainingStopped):
        train(TrainingRun(settings, data, out, steps=8, device="cpu", stop=lambda: next(stop)))
    train(TrainingRun(settings, data, out, steps=8, device="cpu", resume="auto"))
    shares = [line["clipped"] for line in lines(tmp_path / "run" / "log.jsonl")]
    assert shares == [0, pytest.approx(1 / 3), 3 / 4]


def test_samples_do_not_depend_on_the_number_of_processes() -> None:
    def shares(count: int) -> tuple[Tensor, Tensor, Tensor]:
        size = 4 // count
        slices = [slice(i * size, (i + 1) * size) for i in range(count)]
        made = [sample_step((3, 7), 4, share, 5, 0.5, torch.device("cpu")) for share in slices]
        deformations = [each.deformation for each in made]
        drops = [each.drop for each in made if each.drop is not None]
        return (
            torch.cat([spline.weights for spline in deformations]),
            torch.cat([spline.affine for spline in deformations]),
            torch.cat(drops),
        )

    whole = shares(1)
    assert whole[2].shape == (4, 5)
    assert not whole[2][:, 0].any()
    assert 0 < int(whole[2].sum()) < 16
    for count in (2, 4):
        for mine, expected in zip(shares(count), whole, strict=True):
            assert torch.equal(mine, expected)


def test_a_dropped_background_leaves_a_candidate() -> None:
    def drops(dropout: float, background: float) -> Tensor:
        sample = sample_step(
            (0, 0),
            400,
            slice(0, 400),
            3,
            dropout,
            torch.device("cpu"),
            background_dropout=background,
        )
        assert sample.drop is not None
        return sample.drop

    alone, both = drops(0, 0.3), drops(0.5, 0.3)
    for drop in (alone, both):
        assert 0.2 < drop[:, 0].float().mean() < 0.4
        assert not drop.all(1).any()
    assert not alone[:, 1:].any()
    assert torch.equal(both[:, 2], drops(0.5, 0)[:, 2])  # the others are those of a run without it


def test_steps_and_seeds_give_different_samples() -> None:
    def weights(seed: int, step: int) -> Tensor:
        sample = sample_step((seed, step), 2, slice(0, 2), 3, 0.0, torch.device("cpu"))
        return sample.deformation.weights

    assert torch.equal(weights(0, 1), weights(0, 1))
    assert not torch.equal(weights(0, 1), weights(0, 2))
    assert not torch.equal(weights(0, 1), weights(1, 1))


@pytest.mark.parametrize(
    ("motion", "metric"), [("cpab", "euclidean"), ("tps", "euclidean"), ("affine", "manhattan")]
)
def test_deformation_uses_the_metric_of_the_peers_with_the_same_motion(
    motion: MotionKind, metric: str
) -> None:
    made = sample_step((0, 0), 2, slice(0, 2), 3, 0.0, torch.device("cpu"), motion=motion)
    assert made.deformation.metric == metric


@torch.no_grad()
def test_validation_equals_the_mean_over_single_pairs(data: Path) -> None:
    model = tiny_model()
    moving, still = [], []
    for path in sorted((data / "test").glob("*.png")):
        strip = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
        frames = [
            torch.from_numpy(strip[:, 32 * k : 32 * (k + 1)].copy()).permute(2, 0, 1)[None]
            for k in range(TEST_FRAMES)
        ]
        source = frames[0]
        for driving in frames[1:]:
            background = model.background(source, driving)
            motion = model.motion(
                source, model.keypoints(source), model.keypoints(driving), background
            )
            moving.append(float((model.generate(source, motion) - driving).abs().mean()))
            still.append(float((source - driving).abs().mean()))
    pairs = open_validation(
        data / "test", DataConfig(frame_size=32), frames=TEST_FRAMES - 1, report=print
    )
    assert pairs is not None
    assert len(pairs) == len(moving) == 10
    model.train()
    batches = read_batches(pairs, pairs.batches(4), workers=0)  # the last one is smaller
    found = validate(model, batches, Accelerator(cpu=True))
    assert found.l1 == pytest.approx(np.mean(moving), rel=1e-5)
    assert found.standing_still == pytest.approx(np.mean(still), rel=1e-5)
    assert model.training


def test_best_model_is_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming keeps it too."""
    found = iter([0.5, 0.3, 0.4, 0.45])
    monkeypatch.setattr(loop, "validate", lambda *_: Validation(next(found), 1.0))
    settings = config(**{"training.validate_every": 1})
    best = tmp_path / "run" / "best.safetensors"
    run(settings, data, tmp_path / "run", steps=3)
    assert load_checkpoint(best).record["step"] == 2
    train(TrainingRun(settings, data, tmp_path / "run", steps=4, resume="auto", device="cpu"))
    record = load_checkpoint(best).record
    assert (record["step"], record["l1"]) == (2, 0.3)


def test_learning_rate_follows_the_milestones(data: Path, tmp_path: Path) -> None:
    """8 clips in batches of 2: an epoch is 4 steps."""
    changes = {"training.milestones": (0.5, 1), "training.milestone_factor": 0.5}
    run(config(**changes, **{"training.learning_rate": 1e-3}), data, tmp_path / "run", steps=6)
    rates = [line["learning_rate"] for line in lines(tmp_path / "run" / "log.jsonl")]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4])


def test_synchronised_normalisation_keeps_the_layers_functions() -> None:
    """timm's normalisation layers contain an activation."""
    model, images = tiny_model(), torch.rand(2, 3, 32, 32)
    shared = copy.deepcopy(model)
    gpus = SimpleNamespace(num_processes=2, device=torch.device("cuda"))
    _configure_networks(shared, config(), gpus)
    kinds = {type(module) for module in shared.keypoint_detector.modules()}
    assert any(issubclass(kind, torch.nn.SyncBatchNorm) for kind in kinds)
    assert torch.equal(shared.keypoints(images), model.keypoints(images))
    assert shared.state_dict().keys() == model.state_dict().keys()


def events(out: Path) -> list[Path]:
    return list(out.rglob("events.out.tfevents.*"))


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="TensorBoard is not installed")
def test_tensorboard_is_used_where_it_is_installed(data: Path, tmp_path: Path) -> None:
    accumulator: Any = import_module("tensorboard.backend.event_processing.event_accumulator")
    run(config(**{"training.trackers": None}), data, tmp_path / "run", steps=2)
    (folder,) = {path.parent for path in events(tmp_path / "run") if path.parent.name == "cpabmm"}
    found = accumulator.EventAccumulator(str(folder)).Reload()
    log = lines(tmp_path / "run" / "log.jsonl")
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [
        (line["step"], pytest.approx(line["loss"])) for line in log
    ]
    (validation,) = lines(tmp_path / "run" / "validation.jsonl")
    (event,) = found.Scalars("validation_l1")
    assert (event.step, event.value) == (2, pytest.approx(validation["l1"]))


def test_run_without_trackers_writes_no_events(data: Path, tmp_path: Path) -> None:
    run(config(), data, tmp_path / "run", steps=1)
    assert events(tmp_path / "run") == []


def test_unknown_tracker_is_one_line(data: Path, tmp_path: Path) -> None:
    settings = config(**{"training.trackers": ["paper"]})
    with pytest.raises(ConfigError, match=r"training\.trackers: paper is unknown.*tensorboard"):
        run(settings, data, tmp_path / "run", steps=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(find_spec("wandb") is not None, reason="wandb is installed")
def test_tracker_that_is_not_installed_is_an_error(data: Path, tmp_path: Path) -> None:
    settings = config(**{"training.trackers": ["wandb"]})
    with pytest.raises(ConfigError, match=r"training\.trackers: wandb is not installed"):
        run(settings, data, tmp_path / "run", steps=1)
