import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from _helpers.random_tensors import random_tensors
from numpy.typing import NDArray
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics import fvd as module
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.fvd import Fvd, open_fvd, resize_like_tensorflow
from cpabmm_core.metrics.i3d import I3d
from cpabmm_core.metrics.video_metric import Frames

CLASSES = 6


class Ends(nn.Module):
    """A stand-in for I3D: the first pixel of the first and the last frame of a clip."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, clips: Tensor) -> Tensor:
        self.seen.append(tuple(clips.shape))
        return torch.cat([clips[:, :, 0, 0, 0], clips[:, :, -1, 0, 0]], 1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "i3d" not in request.fixturenames:
        monkeypatch.setattr(module, "CLASSES", CLASSES)


def fvd(messages: list[str] | None = None, network: nn.Module | None = None) -> Fvd:
    info = ExtractorInfo("fvd", "0", "", "")
    announce = (messages if messages is not None else []).append
    return Fvd(network or Ends(), torch.device("cpu"), info, announce)


def video(seed: int, count: int, highest: int = 256) -> Frames:
    rng = np.random.default_rng(seed)
    return rng.integers(0, highest, (count, 4, 5, 3), dtype=np.uint8)


def clip_features(videos: list[Frames]) -> NDArray[np.float64]:
    """Features of frames 0 and 15, 16 and 31, ... of each video, in [-1, 1]."""
    rows = []
    for frames in videos:
        for start in range(0, len(frames) - 15, 16):
            ends = frames[start, 0, 0], frames[start + 15, 0, 0]
            rows.append(np.concatenate(ends) / 127.5 - 1)
    return np.array(rows)


def by_definition(real: list[Frames], generated: list[Frames]) -> float:
    one, other = clip_features(real), clip_features(generated)
    covariances = [np.cov(values, rowvar=False) for values in (one, other)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    step = one.mean(0) - other.mean(0)
    return float(step @ step + np.trace(sum(covariances) - 2 * root))


LENGTHS = (16, 47, 200, 3, 33, 15)


def sets() -> tuple[list[Frames], list[Frames]]:
    real = [video(number, length) for number, length in enumerate(LENGTHS)]
    generated = [video(50 + number, length, 180) for number, length in enumerate(LENGTHS)]
    return real, generated


def feed(metric: Fvd, real: list[Frames], generated: list[Frames], step: int) -> None:
    for number, (one, other) in enumerate(zip(real, generated, strict=True)):
        metric.start_video(str(number))
        for start in range(0, len(one), step):
            metric.update(one[start : start + step], other[start : start + step])


@pytest.mark.parametrize("step", [1, 7, 16, 64])
def test_agrees_with_the_definition_for_any_chunk_size(step: int) -> None:
    real, generated = sets()
    network = Ends()
    metric = fvd(network=network)
    feed(metric, real, generated, step)
    metric.merge([metric.state()])
    assert metric.compute() == pytest.approx(by_definition(real, generated), rel=1e-5)
    assert set(network.seen) == {(1, 3, 16, 224, 224)}
    assert len(network.seen) == 2 * (1 + 2 + 12 + 0 + 2 + 0)


def test_merged_states_agree_with_one_process() -> None:
    messages: list[str] = []
    real, generated = sets()
    whole = fvd()
    feed(whole, real, generated, 16)
    states = []
    for part in (slice(0, 1), slice(1, 4), slice(4, 6), slice(6, 6)):
        metric = fvd()
        feed(metric, real[part], generated[part], 16)
        states.append(pickle.loads(pickle.dumps(metric.state())))
    merged = fvd(messages)
    merged.merge(states)
    whole.merge([whole.state()])
    assert merged.compute() == pytest.approx(whole.compute(), rel=1e-9)
    assert messages == ["FVD skips 2 videos shorter than 16 frames"]


def test_identical_sets_have_distance_zero() -> None:
    metric = fvd()
    real, _ = sets()
    feed(metric, real, real, 16)
    assert metric.compute() == pytest.approx(0, abs=1e-12)


def test_few_clips_cause_a_message() -> None:
    messages: list[str] = []
    metric = fvd(messages)
    feed(metric, [video(1, 16 * CLASSES)], [video(2, 16 * CLASSES)], 16)
    metric.compute()
    assert len(messages) == 1
    assert messages[0].startswith(f"FVD of {CLASSES} clips is biased")


def test_a_single_clip_has_no_value() -> None:
    messages: list[str] = []
    metric = fvd(messages)
    feed(metric, [video(1, 31)], [video(2, 31)], 16)
    assert metric.compute() is None
    assert messages == ["FVD skipped: it needs two or more clips of 16 frames, got 1"]


@pytest.mark.parametrize(("height", "width"), [(3, 5), (224, 224), (300, 231)])
def test_resizing_samples_at_the_published_positions(height: int, width: int) -> None:
    image = np.random.default_rng(0).random((height, width))
    resized = resize_like_tensorflow(torch.tensor(image))
    assert resized.shape == (224, 224)
    for row, column in ((0, 0), (1, 200), (110, 97), (223, 223), (223, 0)):
        y, x = row * height / 224, column * width / 224
        top, left = int(y), int(x)
        below, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, along = y - top, x - left
        upper = (1 - along) * image[top, left] + along * image[top, right]
        lower = (1 - along) * image[below, left] + along * image[below, right]
        assert resized[row, column].item() == pytest.approx((1 - down) * upper + down * lower)


def test_resizing_agrees_with_torch_fidelity() -> None:
    library = pytest.importorskip("torch_fidelity.interpolate_compat_tensorflow")
    images = torch.rand(2, 3, 50, 301, generator=torch.Generator().manual_seed(0))
    theirs = library.interpolate_bilinear_2d_like_tensorflow1x(
        images, size=(224, 224), align_corners=False
    )
    torch.testing.assert_close(resize_like_tensorflow(images), theirs, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def i3d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fvd") / "i3d.pt"
    with torch.device("meta"):
        wanted = I3d().state_dict()
    torch.save(random_tensors(wanted), path)
    return path


def test_the_network_distinguishes_noise_from_a_still_clip(i3d: Path) -> None:
    metric = open_fvd(i3d, Request(device="cpu", allow_download=False))
    noise = video(3, 16)
    features = metric.features(noise)
    assert features.shape == (1, 400)
    still = np.full_like(noise, 128)
    assert np.abs(features - metric.features(still)).max() > 0.01
    assert metric.state().sums.real.size == 400


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "i3d_torchscript.pt"
    torch.jit.script(nn.Linear(2, 2)).save(str(path))
    with pytest.raises(CheckpointError, match=r"i3d_torchscript\.pt: is TorchScript, a program"):
        open_fvd(path, Request())


def test_missing_weights_are_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        ConfigError,
        match=r"51 MB.*: not found, and downloads are off; give its path as weights fvd=PATH",
    ):
        open_fvd(None, Request(allow_download=False))
