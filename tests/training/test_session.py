"""The effect of settings on the model before the first step."""

from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
import torch
from _helpers import sessions
from _helpers.tiny_model import tiny_config

from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.config import AvdConfig, load_config
from cpabmm_core.errors import ConfigError
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training import accelerator
from cpabmm_core.training.loop import train
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.session import Session, open_session


@pytest.fixture(scope="module")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=2, test_videos=1, frames=4, size=32, seed=0, format="strip")
    return folder


def session_of(data: Path, out: Path, **changes: object) -> Session:
    settings = {"losses.reconstruction_kind": "pixel", "training.trackers": []} | changes
    return sessions.session_of(tiny_config(**settings), data, out)


def test_nothing_is_written(puppets: Path, tmp_path: Path) -> None:
    session_of(puppets, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_main_stage_builds_no_avd_network(puppets: Path, tmp_path: Path) -> None:
    """Its sizes are kept in the run's configuration for the avd stage."""
    sizes = {"id_bottle_size": 4, "pose_bottle_size": 8}
    settings = {"losses.reconstruction_kind": "pixel", "training.trackers": [], "model.avd": sizes}
    session = session_of(puppets, tmp_path, **settings)
    assert session.model.avd is None
    config = tiny_config(**settings)
    path = train(TrainingRun(config, puppets, tmp_path / "run", steps=1, device="cpu"))
    checkpoint = load_checkpoint(path)
    assert (checkpoint.model.avd, checkpoint.config.model.avd) == (None, None)
    kept = load_config(tmp_path / "run" / "config.yaml").model.avd
    assert kept == AvdConfig(**sizes)


def test_single_gpu_is_refused_as_a_device(puppets: Path, tmp_path: Path) -> None:
    """Accelerate assigns a device to each process and would ignore the index."""
    with pytest.raises(ConfigError, match="cuda:1: training accepts auto, cpu, cuda or mps"):
        open_session(TrainingRun(tiny_config(), puppets, tmp_path, device="cuda:1"))


def test_each_process_tries_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch, puppets: Path, tmp_path: Path
) -> None:
    """A trial on the first GPU would take memory of it for every process."""
    tried: list[torch.device] = []

    def choose(_: str, device: torch.device, *__: object) -> Literal["no"]:
        tried.append(device)
        return "no"

    mine = torch.device("cuda", 3)
    monkeypatch.setattr(accelerator, "resolve_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(accelerator, "PartialState", lambda: SimpleNamespace(device=mine))
    monkeypatch.setattr(accelerator, "_mixed_precision", choose)
    accelerator.create_accelerator(TrainingRun(tiny_config(), puppets, tmp_path, device="auto"))
    assert tried == [mine]


def test_channels_last_applies_to_the_convolutions(puppets: Path, tmp_path: Path) -> None:
    for wanted in (False, True):
        session = session_of(puppets, tmp_path, **{"training.channels_last": wanted})
        weight = session.model.generator.to_rgb.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is wanted


def test_networks_are_compiled(
    puppets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(self))  # noqa: PLW0108
    model = session_of(puppets, tmp_path, **{"training.compile": True}).model
    # Compiling a list of modules has no effect, because it is never called.
    assert not any(isinstance(part, torch.nn.ModuleList) for part in compiled)
    taken = {id(part) for whole in compiled for part in whole.parameters()}
    trained = [parameter.numel() for parameter in model.parameters()]
    left = [p.numel() for p in model.parameters() if id(p) not in taken]
    assert sum(left) < 0.2 * sum(trained)


def test_average_is_a_copy_of_the_model(puppets: Path, tmp_path: Path) -> None:
    session = session_of(puppets, tmp_path, **{"training.ema": 0.99})
    assert session.average is not None
    pairs = zip(
        session.average.model.state_dict().values(),
        session.model.state_dict().values(),
        strict=True,
    )
    for mine, theirs in pairs:
        assert torch.equal(mine, theirs)
        assert mine.data_ptr() != theirs.data_ptr()
    assert not any(p.requires_grad for p in session.average.model.parameters())
