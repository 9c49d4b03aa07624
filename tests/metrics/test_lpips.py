import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.random_tensors import random_tensors
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import alexnet

from cpabmm_core.errors import CheckpointError, ConfigError, DataError
from cpabmm_core.metrics.extractors.interface import Request
from cpabmm_core.metrics.lpips import Lpips, open_lpips
from cpabmm_core.metrics.video_metric import Frames

Tensors = dict[str, Tensor]
LAYERS = ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))
"""Index, stride and padding of AlexNet's convolutions; pooling follows the first two ReLUs."""


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    with torch.device("meta"):
        wanted = alexnet(weights=None).features.state_dict()
    return {f"features.{name}": value for name, value in random_tensors(wanted).items()}


@pytest.fixture(scope="module")
def weights(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lpips") / "alexnet.pth"
    torch.save({**tensors, "classifier.6.bias": torch.zeros(1000)}, path)
    return path


@pytest.fixture(scope="module")
def lpips(weights: Path) -> Lpips:
    pytest.importorskip("torchmetrics")
    return open_lpips(weights, Request(device="cpu", allow_download=False))


def frames(seed: int, count: int = 3, height: int = 40, width: int = 64) -> Frames:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def heads() -> list[Tensor]:
    from torchmetrics.functional.image import lpips

    path = Path(lpips.__file__).parent / "lpips_models" / "alex.pth"
    stored = torch.load(path, map_location="cpu", weights_only=True)
    return [stored[f"lin{number}.model.1.weight"] for number in range(5)]


def by_definition(real: Frames, generated: Frames, tensors: Tensors) -> Tensor:
    """Squared differences of unit features, weighted by channel, averaged over positions."""
    mean = torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)
    spread = torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
    inputs = [
        (torch.tensor(stack).permute(0, 3, 1, 2) / 127.5 - 1 - mean) / spread
        for stack in (real, generated)
    ]
    total = torch.zeros(len(real))
    for (place, stride, padding), head in zip(LAYERS, heads(), strict=True):
        weight, bias = (tensors[f"features.{place}.{part}"] for part in ("weight", "bias"))
        inputs = [F.relu(F.conv2d(x, weight, bias, stride, padding)) for x in inputs]
        one, other = (x / (x**2).sum(1, keepdim=True).add(1e-8).sqrt() for x in inputs)
        total += (head[0] * (one - other) ** 2).sum(1).mean((1, 2))
        if place in (0, 3):
            inputs = [F.max_pool2d(x, 3, 2) for x in inputs]
    return total


def test_agrees_with_the_definition(lpips: Lpips, tensors: Tensors) -> None:
    real, generated = frames(0, 20), frames(1, 20)
    distances = lpips.distances(real, generated)
    expected = by_definition(real, generated, tensors)
    assert expected.min() > 0.01
    np.testing.assert_allclose(distances, expected, rtol=1e-4)


def test_a_video_is_the_mean_of_its_frames(lpips: Lpips) -> None:
    real, generated = frames(2, 5), frames(3, 5)
    lpips.start_video("other")
    lpips.update(generated, real)
    lpips.start_video("video")
    lpips.update(real[:2], generated[:2])
    lpips.update(real[2:], generated[2:])
    (tally,) = lpips.compute().tallies.values()
    assert tally.count == 5
    assert tally.mean == pytest.approx(lpips.distances(real, generated).mean(), rel=1e-5)


def test_identical_frames_have_distance_zero(lpips: Lpips) -> None:
    lpips.start_video("video")
    lpips.update(frames(4), frames(4))
    assert lpips.compute().tallies["lpips"].mean == 0


def test_info_describes_the_network(lpips: Lpips, weights: Path) -> None:
    assert lpips.info is not None
    assert lpips.info.weights == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert "alex" in lpips.info.version


def test_frames_below_the_smallest_size_are_rejected(lpips: Lpips) -> None:
    assert lpips.distances(frames(5, 1, 31, 31), frames(6, 1, 31, 31)) > 0
    small = frames(5, 1, 30, 64)
    with pytest.raises(
        DataError, match="64 x 30 is too small for LPIPS; frames need at least 31 x 31"
    ):
        lpips.distances(small, small)


def test_a_file_of_another_network_is_rejected(tensors: Tensors, tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": tensors["features.0.weight"]}, path)
    with pytest.raises(CheckpointError, match=r"other\.pth: not torchvision's AlexNet"):
        open_lpips(path, Request())


def test_missing_weights_are_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchmetrics")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        ConfigError,
        match=r"alexnet-owt-7be5be79\.pth \(.*244 MB.*\): not found, and downloads are off; "
        r"give its path as weights lpips=PATH",
    ):
        open_lpips(None, Request(allow_download=False))


def test_weights_in_torchs_cache_are_found(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchmetrics")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").symlink_to(weights)
    opened = open_lpips(None, Request(device="cpu", allow_download=False))
    assert opened.distances(frames(7, 1), frames(8, 1)) > 0


def test_a_missing_torchmetrics_is_an_error_with_a_cure(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torchmetrics", "torchmetrics.functional.image.lpips"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"^LPIPS: .* pip install 'cpabmm\[quality\]'$"):
        open_lpips(weights, Request())
