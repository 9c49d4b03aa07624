"""Every row of the paper's tables and of ours is a configuration that trains."""

import copy
import json
import math
from pathlib import Path
from typing import NamedTuple
from unittest.mock import Mock

import pytest
import torch
from _helpers.frozen_nets import tiny_vit, vgg19_layers
from _helpers.tiny_sam import tiny_sam
from torch import nn

from cpabmm_core.config import Config, load_config, shipped_configs
from cpabmm_core.losses.build import build_losses
from cpabmm_core.losses.objective import Objective, Outcome
from cpabmm_core.models.build import build_model
from cpabmm_core.models.frozen import dino, sam
from cpabmm_core.models.frozen.dino import DinoKeys
from cpabmm_core.models.frozen.sam import SamFeatures
from cpabmm_core.models.frozen.vgg import Vgg19Features
from cpabmm_core.models.frozen.weights import WeightFile
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.loop import train
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.sampling import sample_step

ALWAYS = {"reconstruction", "warp", "equivariance", "background"}
SMALL = [
    "data.frame_size=32",
    "data.repeats=2",
    "model.keypoints={backbone: test_efficientnet, groups: 2, points_per_group: 3}",
    "model.dense_motion={block_expansion: 4, max_features: 16, blocks: 3}",
    "model.inpainting={block_expansion: 4, max_features: 16, down_blocks: 2}",
    "training.batch_size=2",
    "training.accumulation=1",
    "training.mixed_precision=no",
]
BACKGROUND = "model.background.backbone=test_efficientnet"


class Row(NamedTuple):
    """Properties of an ablation row. The defaults are those of the full model."""

    motion: str = "cpab"
    global_cells: int | None = 6
    extra_losses: frozenset[str] = frozenset({"semantic", "structure"})
    fit: str = "solve"
    warp_trains_keypoints: bool = True
    candidates: int = 4  # for two groups: background, two local ones, a global one


NOTHING: frozenset[str] = frozenset()
ROWS = {
    "-tps": Row(motion="tps", extra_losses=NOTHING, candidates=3),
    "-cpab": Row(global_cells=None, extra_losses=NOTHING, candidates=3),
    "-cpab-global": Row(extra_losses=NOTHING),
    "-semantic": Row(extra_losses=frozenset({"semantic"})),
    "-structure": Row(extra_losses=frozenset({"structure"})),
    "": Row(),
    "-detached": Row(fit="detached", warp_trains_keypoints=False),
}
ROWS |= {
    f"{name}-paper": ROWS[name]._replace(fit="paper", warp_trains_keypoints=False)
    for name in ("-cpab", "-cpab-global", "-semantic", "-structure", "")
}
SETS = ("taichi-256", "ted-384", "vox-256", "mgif-256")
PEERS = [
    name
    for name in shipped_configs()
    if name.endswith(("-fomm", "-mraa")) and not name.startswith("puppets")
]


@pytest.fixture(scope="module")
def frozen_networks() -> dict[str, nn.Module]:
    """Return small random networks of the frozen networks' classes."""
    return {
        "sam": SamFeatures(tiny_sam()),
        "dino": DinoKeys(tiny_vit()),
        "vgg": Vgg19Features(vgg19_layers()),
    }


@pytest.fixture(autouse=True)
def _use_small_networks(
    frozen_networks: dict[str, nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replace every file of weights by one of the small networks."""

    def find(file: WeightFile, path: Path | None, **_: object) -> Path:
        assert path is None
        return Path(file.name)

    def load_sam(path: Path, model: str, *, image_size: int, precision: str) -> nn.Module:
        assert (path.name, model) == ("sam_vit_b_01ec64.pth", "vit_b")
        assert (image_size, precision) == (1024, "fp32")
        return frozen_networks["sam"]

    def load_dino(name: str, path: Path) -> nn.Module:
        assert (name, path.name) == ("vit_base_patch8_224.dino", "model.safetensors")
        return frozen_networks["dino"]

    def load_perceptual(network: str, path: Path) -> nn.Module:
        assert (network, path.name) == ("vgg19", "vgg19-dcbb9e9d.pth")
        return frozen_networks["vgg"]

    monkeypatch.setattr("cpabmm_core.losses.build.find_weights", find)
    monkeypatch.setattr("cpabmm_core.losses.build.load_perceptual", load_perceptual)
    monkeypatch.setattr(sam, "load_sam", load_sam)
    monkeypatch.setattr(dino, "load_dino", load_dino)


@pytest.fixture(scope="module")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=2, test_videos=1, frames=4, size=32, seed=0, format="strip")
    return folder


def small(name: str, *more: str) -> Config:
    background = [] if name.startswith("mgif") else [BACKGROUND]
    fewer = ["model.cpab.paper_iterations=3"] if name.endswith("-paper") else []
    return load_config(name, [*SMALL, *background, *fewer, *more])


def objective_of(config: Config) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(config)
    losses = build_losses(config.losses, allow_download=False, announce=lambda _: None)
    return Objective(model, losses).train()


def outcome_of(objective: Objective) -> Outcome:
    source, driving = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    count = 1 + objective.model.candidate_motion.count
    sample = sample_step((0, 0), 2, slice(0, 2), count, 0.0, torch.device("cpu"))
    outcome: Outcome = objective(source, driving, sample=sample, with_background=True)
    return outcome


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("data_set", SETS)
def test_rows_differ_only_as_their_names_state(data_set: str, row: str) -> None:
    config, expected = load_config(data_set + row), ROWS[row]
    cpab = config.model.cpab
    assert config.model.motion == expected.motion
    if expected.motion == "cpab":
        assert (cpab.cells, cpab.global_cells) == (4, expected.global_cells)
        assert cpab.fit == expected.fit
    assert config.losses.semantic == (1.0 if "semantic" in expected.extra_losses else 0)
    assert config.losses.structure == (0.1 if "structure" in expected.extra_losses else 0)
    full = load_config(data_set)
    same = config.model_copy(
        update={
            "model": config.model.model_copy(update={"motion": "cpab", "cpab": full.model.cpab}),
            "losses": full.losses,
        }
    )
    if row == "-tps":  # trained with TPSMM's settings: see test_published_settings
        same = same.model_copy(update={"training": full.training, "data": full.data})
    assert same == full


@pytest.mark.parametrize("row", ROWS)
def test_every_row_takes_a_step(
    row: str, puppets: Path, tmp_path: Path, frozen_networks: dict[str, nn.Module]
) -> None:
    before = {
        name: copy.deepcopy(network.state_dict()) for name, network in frozen_networks.items()
    }
    train(TrainingRun(small("taichi-256" + row), puppets, tmp_path / "run", steps=1, device="cpu"))
    [line] = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    losses = {
        name: line[name] for name in line.keys() - {"step", "loss", "learning_rate", "clipped"}
    }
    assert losses.keys() == ALWAYS | ROWS[row].extra_losses
    assert line["loss"] == pytest.approx(sum(losses.values()), rel=1e-5)
    assert losses.pop("background") < 1e-6  # its predictor starts at the identity
    assert all(math.isfinite(value) and value > 0 for value in losses.values())
    for name, network in frozen_networks.items():
        assert all(torch.equal(t, before[name][key]) for key, t in network.state_dict().items()), (
            name
        )


@pytest.mark.parametrize(("data_set", "without"), [("mgif-256", "background"), ("ted-384", "")])
def test_other_data_sets_take_a_step(
    data_set: str, without: str, puppets: Path, tmp_path: Path
) -> None:
    train(TrainingRun(small(data_set), puppets, tmp_path / "run", steps=1, device="cpu"))
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    assert line.keys() - {"step", "loss", "learning_rate", "clipped"} == (
        (ALWAYS | {"semantic", "structure"}) - {without}
    )


def test_vox_starts_without_background(puppets: Path, tmp_path: Path) -> None:
    """The background loss starts after ten epochs; here after half an epoch, which is a step."""
    train(TrainingRun(small("vox-256-tps"), puppets, tmp_path / "run", steps=1, device="cpu"))
    assert "background" not in json.loads((tmp_path / "run" / "log.jsonl").read_text())
    later = small("vox-256-tps", "training.background_from_epoch=0.5", "training.log_every=1")
    train(TrainingRun(later, puppets, tmp_path / "later", steps=2, device="cpu"))
    lines = (tmp_path / "later" / "log.jsonl").read_text().splitlines()
    assert ["background" in json.loads(line) for line in lines] == [False, True]


def test_the_background_is_dropped_until_the_epoch_of_the_schedule(
    puppets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here that is after half an epoch, which is a step."""
    sampling = Mock(wraps=sample_step)
    monkeypatch.setattr("cpabmm_core.training.step.sample_step", sampling)
    dropout = "training.candidate_dropout={background: 0.5, until_epoch: 0.5}"
    config = small("vox-256-tps", dropout)
    train(TrainingRun(config, puppets, tmp_path / "run", steps=2, device="cpu"))
    given = [call.kwargs["background_dropout"] for call in sampling.call_args_list]
    assert given == [0.5, 0]


def test_every_data_set_has_the_rows_of_the_peers() -> None:
    assert set(PEERS) == {f"{data_set}-{row}" for data_set in SETS for row in ("fomm", "mraa")}


@pytest.mark.parametrize("name", PEERS)
def test_the_rows_of_the_peers_take_a_step(
    name: str, puppets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = Mock(wraps=sample_step)
    monkeypatch.setattr("cpabmm_core.training.step.sample_step", sampling)
    model = load_config(name).model
    sizes = "block_expansion: 4, max_features: 16, blocks: 2"
    kind = f"frames: {model.affine.frames}, skips: {model.affine.skips}"
    changes = [f"model.affine={{{kind}, padding: 3, bottleneck_blocks: 1, {sizes}}}"]
    if model.background is not None:
        changes.append(f"model.background={{backbone: {model.background.backbone}, {sizes}}}")
    changes.append("model.affine.scale_factor=0.5")
    changes.append("losses.discriminator={block_expansion: 4, max_features: 16, blocks: 2}")
    settings = load_config(name, [*SMALL, *changes])
    train(TrainingRun(settings, puppets, tmp_path / "run", steps=1, device="cpu"))
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    losses = line.keys() - {"step", "loss", "learning_rate", "clipped"}
    against = {"adversarial", "feature_matching", "discriminator"}
    expected = against if name == "mgif-256-fomm" else set()
    assert losses == {"reconstruction", "equivariance", "frame_equivariance"} | expected
    assert line["learning_rate"] == 2e-4
    assert sampling.call_args.kwargs == {"motion": "affine", "background_dropout": 0}


def test_fomm_is_adversarial_on_mgif_only() -> None:
    """FOMM's configurations have generator_gan 1 for MGif, 0 for TaiChiHD and VoxCeleb."""
    weights = {name: load_config(name).losses.adversarial for name in PEERS}
    assert weights == dict.fromkeys(PEERS, 0) | {"mgif-256-fomm": 1}
    assert load_config("mgif-256-fomm").losses.feature_matching == 10
    assert load_config("mgif-256-fomm").losses.discriminator.model_dump() == {
        "block_expansion": 32,
        "max_features": 512,
        "blocks": 4,
        "spectral_norm": True,
        "keypoints": False,
    }


@pytest.mark.parametrize("row", ROWS)
def test_gradient_of_the_fit(row: str) -> None:
    model = objective_of(small("taichi-256" + row)).model
    points = (torch.rand(2, 2, 6, 2, generator=torch.Generator().manual_seed(2)) - 0.5).unbind()
    flows = model.candidate_motion(points[0].requires_grad_(), points[1].requires_grad_(), (8, 8))
    assert flows.shape[1] + 1 == ROWS[row].candidates
    assert flows.requires_grad is ROWS[row].warp_trains_keypoints


@pytest.mark.parametrize("loss", ["semantic", "structure"])
def test_the_papers_losses_train_the_model_and_no_frozen_network(loss: str) -> None:
    objective = objective_of(small("taichi-256"))
    outcome = outcome_of(objective)
    outcome.losses[loss].backward()
    assert not any(parameter.requires_grad for parameter in objective.losses.parameters())
    trained = {
        name
        for name, part in objective.model.named_children()
        if any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
    }
    rendering = {"background_predictor", "dense_motion", "generator"}
    assert trained == {"keypoint_detector"} | (rendering if loss == "structure" else set())
