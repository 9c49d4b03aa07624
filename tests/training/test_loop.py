import json
import shutil
from pathlib import Path

import pytest
import torch
from _helpers.tiny_model import tiny_config
from accelerate.state import AcceleratorState

from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError, DataError, MediaError, TrainingError
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.loop import train
from cpabmm_core.training.run import TrainingRun

SETTINGS = {
    "losses.reconstruction_kind": "pixel",
    "data.repeats": 2,
    "training.batch_size": 2,
    "training.log_every": 1,
    "training.panel_every": 4,
    "training.checkpoint_every": 2,
}


@pytest.fixture(scope="module")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=3, test_videos=1, frames=6, size=32, seed=0, format="strip")
    return folder


def config(**changes: object) -> Config:
    return tiny_config(**(SETTINGS | changes))


def run(settings: Config, data: Path, out: Path, *, steps: int, resume: str | None = None) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return train(TrainingRun(settings, data, out, steps=steps, resume=resume, device="cpu"))


def log_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_run_folder_contains_the_documented_files(puppets: Path, tmp_path: Path) -> None:
    checkpoint = run(config(), puppets, tmp_path / "run", steps=4)
    log = log_of(tmp_path / "run")
    assert [line["step"] for line in log] == [1, 2, 3, 4]
    assert {"step", "loss", "reconstruction", "warp", "equivariance", "background"} <= set(log[0])
    assert (tmp_path / "run" / "panels" / "step-00000004.png").is_file()
    assert checkpoint == tmp_path / "run" / "model.safetensors"
    loaded = load_checkpoint(checkpoint)
    assert loaded.config == config()
    assert loaded.record["step"] == 4
    assert loaded.record["reconstruction"] == "pixel"


def test_training_changes_every_network(puppets: Path, tmp_path: Path) -> None:
    run(config(), puppets, tmp_path / "a", steps=1)
    run(config(), puppets, tmp_path / "b", steps=3)
    one, three = (load_checkpoint(tmp_path / n / "model.safetensors").model for n in ("a", "b"))
    for name, part in one.named_children():
        other = getattr(three, name)
        pairs = zip(part.parameters(), other.parameters(), strict=True)
        assert any(not torch.equal(p, q) for p, q in pairs) or name == "candidate_motion", name


def test_resumed_run_logs_the_same_as_an_uninterrupted_one(puppets: Path, tmp_path: Path) -> None:
    run(config(), puppets, tmp_path / "whole", steps=6)
    run(config(), puppets, tmp_path / "parts", steps=4)
    run(config(), puppets, tmp_path / "parts", steps=6, resume="auto")
    whole, parts = log_of(tmp_path / "whole"), log_of(tmp_path / "parts")
    assert [line["step"] for line in parts] == [1, 2, 3, 4, 5, 6]
    assert parts == whole


def test_repeated_steps_are_logged_once(puppets: Path, tmp_path: Path) -> None:
    """A run that ended after step 3 resumes from its state after step 2."""
    run(config(), puppets, tmp_path / "whole", steps=4)
    run(config(), puppets, tmp_path / "died", steps=3)
    shutil.rmtree(tmp_path / "died" / "states" / "step-00000003")
    run(config(), puppets, tmp_path / "died", steps=4, resume="auto")
    assert log_of(tmp_path / "died") == log_of(tmp_path / "whole")


def test_loss_falls(puppets: Path, tmp_path: Path) -> None:
    settings = config(**{"training.learning_rate": 1e-3, "training.log_every": 5})
    run(settings, puppets, tmp_path / "run", steps=40)
    losses = [line["reconstruction"] for line in log_of(tmp_path / "run")]
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_existing_run_is_not_overwritten(puppets: Path, tmp_path: Path) -> None:
    run(config(), puppets, tmp_path / "run", steps=1)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    with pytest.raises(MediaError, match="already contains a run"):
        run(config(), puppets, tmp_path / "run", steps=1)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


def test_missing_data_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        run(config(), tmp_path / "none", tmp_path / "run", steps=1)
    assert not (tmp_path / "run").exists()


def test_missing_state_and_state_of_another_model_are_errors(puppets: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a saved state"):
        run(config(), puppets, tmp_path / "run", steps=1, resume=str(tmp_path))
    run(config(), puppets, tmp_path / "run", steps=2)
    wider = config(**{"model.inpainting.block_expansion": 8})
    with pytest.raises(CheckpointError, match="was the model's configuration changed"):
        run(wider, puppets, tmp_path / "run", steps=4, resume="auto")


def test_loss_that_is_not_finite_stops_the_run(puppets: Path, tmp_path: Path) -> None:
    wild = config(**{"training.learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"lower training\.learning_rate"):
        run(wild, puppets, tmp_path / "run", steps=20)


def test_runs_of_one_process_may_differ_in_precision(puppets: Path, tmp_path: Path) -> None:
    """Accelerate's global state would refuse the second precision."""
    AcceleratorState._reset_state()  # other tests leave one behind
    for precision in ("no", "bf16"):
        settings = config(**{"training.mixed_precision": precision})
        path = run(settings, puppets, tmp_path / precision, steps=1)
        assert load_checkpoint(path).record["precision"] == precision
