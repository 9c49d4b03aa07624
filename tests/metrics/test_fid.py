import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from _helpers.random_tensors import random_tensors
from numpy.typing import NDArray
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics import fid as module
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.fid import Fid, open_fid
from cpabmm_core.metrics.inception import INCEPTION_FILE
from cpabmm_core.metrics.video_metric import Frames

FEATURES = 6


class Corners(nn.Module):
    """A stand-in for Inception: the colours of two corners of an image."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (torch.cat([images[:, :, 0, 0], images[:, :, -1, -1]], 1).float(),)


def features_of(frames: Frames) -> NDArray[np.float64]:
    return np.concatenate([frames[:, 0, 0], frames[:, -1, -1]], 1).astype(np.float64)


def fid(messages: list[str] | None = None) -> Fid:
    info = ExtractorInfo("fid", "0", "", "")
    return Fid(
        Corners(), torch.device("cpu"), info, (messages if messages is not None else []).append
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "inception" not in request.fixturenames:
        monkeypatch.setattr(module, "FEATURES", FEATURES)


def frames(seed: int, count: int, highest: int = 256) -> Frames:
    rng = np.random.default_rng(seed)
    return rng.integers(0, highest, (count, 4, 5, 3), dtype=np.uint8)


def by_definition(real: Frames, generated: Frames) -> float:
    one, other = features_of(real), features_of(generated)
    covariances = [np.cov(values, rowvar=False) for values in (one, other)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    step = one.mean(0) - other.mean(0)
    return float(step @ step + np.trace(sum(covariances) - 2 * root))


def test_agrees_with_the_definition_for_any_chunk_size() -> None:
    real, generated = frames(0, 50), frames(1, 50, 200)
    metric = fid()
    for start, end in ((0, 1), (1, 18), (18, 50)):
        metric.start_video("video")
        metric.update(real[start:end], generated[start:end])
    assert metric.compute() == pytest.approx(by_definition(real, generated), rel=1e-9)


def test_merged_states_agree_with_one_process() -> None:
    real, generated = frames(2, 40), frames(3, 40, 150)
    states = []
    for part in (slice(0, 3), slice(3, 4), slice(4, 40)):
        metric = fid()
        metric.update(real[part], generated[part])
        states.append(pickle.loads(pickle.dumps(metric.state())))
    one = fid()
    one.merge(states)
    assert one.compute() == pytest.approx(by_definition(real, generated), rel=1e-9)
    one.merge([states[2], fid().state(), states[0], states[1]])
    assert one.compute() == pytest.approx(by_definition(real, generated), rel=1e-9)


def test_identical_sets_have_distance_zero() -> None:
    metric = fid()
    metric.update(frames(4, 30), frames(4, 30))
    assert metric.compute() == pytest.approx(0, abs=1e-8)


def test_few_frames_cause_a_message() -> None:
    messages: list[str] = []
    metric = fid(messages)
    metric.update(frames(5, FEATURES), frames(6, FEATURES))
    metric.compute()
    assert len(messages) == 1
    assert messages[0].startswith(f"FID of {FEATURES} frames is biased")
    messages.clear()
    metric.update(frames(7, 1), frames(8, 1))
    metric.compute()
    assert messages == []


def test_a_single_frame_has_no_value() -> None:
    messages: list[str] = []
    metric = fid(messages)
    metric.update(frames(9, 1), frames(10, 1))
    assert metric.compute() is None
    assert messages == ["FID skipped: it needs two or more frames, got 1"]


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights for torch-fidelity's own class."""
    library = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")

    class Unfilled(library.FeatureExtractorInceptionV3):  # type: ignore[misc, name-defined]
        def load_state_dict(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            pass

    path = tmp_path_factory.mktemp("fid") / "inception.pth"
    torch.save({}, path)
    network = Unfilled("any", ["2048"], feature_extractor_weights_path=path)
    torch.save(random_tensors(network.state_dict()), path)
    return path


def test_features_agree_with_torch_fidelity(inception: Path) -> None:
    library = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    metric = open_fid(inception, Request(device="cpu", allow_download=False))
    seen = frames(11, 2)
    features = metric.features(seen)
    network = library.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(inception)
    )
    images = torch.tensor(seen).permute(0, 3, 1, 2)
    (expected,) = network(images)
    assert features.shape == (2, 2048)
    assert features.std() > 0.01
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3 * features.std())


def test_a_pickle_is_not_executed(inception: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "trap.pth"
    torch.save({"fc.weight": Trap()}, path)
    with pytest.raises(CheckpointError, match=r"trap\.pth: would call posix\.mkdir"):
        open_fid(path, Request())
    assert not (tmp_path / "sprung").exists()


def test_a_file_of_another_network_is_rejected(inception: Path, tmp_path: Path) -> None:
    tensors = torch.load(inception, weights_only=True)
    del tensors["Mixed_5b.branch1x1.conv.weight"]
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: not .* other names or shapes"):
        open_fid(tmp_path / "other.pth", Request())


def test_the_stated_size_is_that_of_the_network(inception: Path) -> None:
    assert inception.stat().st_size == pytest.approx(INCEPTION_FILE.megabytes * 1e6, rel=0.01)


def test_missing_weights_are_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch_fidelity")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        ConfigError,
        match=r"96 MB.*: not found, and downloads are off; give its path as weights fid=PATH",
    ):
        open_fid(None, Request(allow_download=False))


def test_a_missing_torch_fidelity_is_an_error_with_a_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ConfigError, match=r"^FID: .* pip install 'cpabmm\[quality\]'$"):
        open_fid(None, Request())
