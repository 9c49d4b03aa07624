import hashlib
import pickle
import socket
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from skimage.data import astronaut
from torch import nn

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    ExtractorInfo,
    KeypointExtractor,
    Request,
    SubjectDetector,
    open_keypoint_extractor,
)
from cpabmm_core.metrics.extractors.faces import AlignedFaces, open_extractor

LANDMARK_NAME, DETECTOR_NAME = "2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth"
ORIGIN = "https://www.adrianbulat.com/downloads/python-fan"
MEAN_COLOUR = (123, 117, 104)
SIDE = 96


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:  # (2, 96, 96, 3); the second has S3FD's mean colour
    face = np.asarray(astronaut()[80 : 80 + SIDE, 170 : 170 + SIDE], np.uint8)
    return np.stack([face, np.full_like(face, MEAN_COLOUR)])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Random weights of the library's own classes, in its cache under the published names."""
    pytest.importorskip("face_alignment")
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    before = torch.hub.get_dir()
    folder = tmp_path_factory.mktemp("hub")
    torch.hub.set_dir(folder)
    files = folder / "checkpoints" / LANDMARK_NAME, folder / "checkpoints" / DETECTOR_NAME
    files[0].parent.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        landmarks, detector = FAN(4), s3fd()
        torch.manual_seed(8)  # finds four faces; the most confident is not the largest
        tune(detector)
    torch.save(landmarks.state_dict(), files[0])
    torch.save(detector.state_dict(), files[1])
    yield files
    for file in files:  # 186 MB
        file.unlink()
    torch.hub.set_dir(before)


@pytest.fixture(scope="module")
def faces(hub: tuple[Path, Path]) -> AlignedFaces:
    return open_extractor(Request(device="cpu", allow_download=False))


@torch.no_grad()
def tune(detector: nn.Module) -> None:
    """Make the detector find nothing in the mean colour, but something in most other images."""
    for name, layer in detector.named_modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight)
            layer.bias.zero_()
            if "_mbox_" in name:
                layer.weight.mul_(20)  # boxes of different size and confidence
            if name.endswith("_conf"):
                layer.bias[-1] = -1 if name.startswith("conv5") else -1e6  # boxes of 64 pixels


def own_aligner() -> object:
    import face_alignment

    return face_alignment.FaceAlignment(
        face_alignment.LandmarksType.TWO_D, device="cpu", flip_input=False, compile=False
    )


def block_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("the network is blocked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def error_of(request: Request, kind: type[Exception]) -> str:
    with pytest.raises(kind) as error:
        open_extractor(request)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.slow
def test_landmarks_agree_with_face_alignment(
    faces: AlignedFaces, frames: NDArray[np.uint8]
) -> None:
    own: Any = own_aligner()
    expected = own.get_landmarks(frames[0])
    assert len(expected) > 1  # the first one is used
    points = faces.keypoints(frames)
    assert points.shape == (2, 68, 2)
    np.testing.assert_array_equal(points[0], expected[0])
    assert not np.array_equal(expected[0], expected[1])
    assert np.isnan(points[1]).all()


def test_boxes_agree_with_face_alignment_largest_first(
    faces: AlignedFaces, frames: NDArray[np.uint8]
) -> None:
    own: Any = own_aligner()
    found = own.face_detector.detect_from_image(frames[0])
    boxes, none = faces.boxes(frames)
    assert none.shape == (0, 4)
    expected = sorted((tuple(face[:4]) for face in found), key=area, reverse=True)
    assert expected[0] != tuple(found[0][:4])  # the most confident one differs
    np.testing.assert_allclose(boxes, expected)


def area(box: Sequence[float]) -> float:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def test_frames_are_independent(faces: AlignedFaces, frames: NDArray[np.uint8]) -> None:
    alone, batched = faces.keypoints(frames[:1]), faces.keypoints(frames[::-1])
    np.testing.assert_array_equal(batched[1:], alone)


def test_frames_too_small_for_the_detector_have_no_face(faces: AlignedFaces) -> None:
    for shape in ((1, 1), (31, 64), (64, 31)):
        frames = np.zeros((1, *shape, 3), np.uint8)
        assert np.isnan(faces.keypoints(frames)).all()
        assert [boxes.shape for boxes in faces.boxes(frames)] == [(0, 4)]
    smallest = np.full((1, 32, 32, 3), MEAN_COLOUR, np.uint8)
    assert np.isnan(faces.keypoints(smallest)).all()


def test_kinds_and_info(faces: AlignedFaces, hub: tuple[Path, Path]) -> None:
    assert isinstance(faces, KeypointExtractor)
    assert isinstance(faces, SubjectDetector)
    assert not isinstance(faces, EmbeddingExtractor)
    content = b"".join(file.read_bytes() for file in hub)
    assert faces.info.weights == hashlib.sha256(content).hexdigest()
    assert faces.info.version.endswith(f"face-alignment {version('face-alignment')}")
    assert "commercial" in str(faces.info.terms)


def test_weights_may_be_given_by_path(
    hub: tuple[Path, Path], tmp_path: Path, frames: NDArray[np.uint8], faces: AlignedFaces
) -> None:
    """Other formats work too, also without the counters that old versions of PyTorch lacked."""
    landmarks = torch.load(hub[0], weights_only=True)
    old = {name: value for name, value in landmarks.items() if "num_batches" not in name}
    assert len(old) < len(landmarks)
    files = tmp_path / "fan.pth", tmp_path / "detector.safetensors"
    torch.save(old, files[0], _use_new_zipfile_serialization=False)
    save_file(torch.load(hub[1], weights_only=True), files[1])
    name = f"faces?weights={files[0]}&detector={files[1]}"
    moved = open_keypoint_extractor(name, Request(device="cpu", allow_download=False))
    np.testing.assert_array_equal(moved.keypoints(frames), faces.keypoints(frames))
    for file in files:
        file.unlink()


def test_opening_keeps_the_random_state(hub: tuple[Path, Path]) -> None:
    before = torch.get_rng_state()
    open_extractor(Request(device="cpu", allow_download=False))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_benchmark_mode_of_cudnn_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeAligner:
        """An aligner that enables benchmark mode for each frame, as the library does on a GPU."""

        def __init__(self) -> None:
            self.face_detector = self

        def detect_from_image(self, image: NDArray[np.uint8]) -> list[NDArray[np.floating]]:
            torch.backends.cudnn.benchmark = True
            return []

        def get_landmarks_from_image(
            self, image: NDArray[np.uint8], detected_faces: Sequence[NDArray[np.floating]]
        ) -> NoReturn:
            raise AssertionError("no face was detected")

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    faces = AlignedFaces(FakeAligner(), ExtractorInfo("faces", "", "", ""))
    faces.keypoints(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    assert not torch.backends.cudnn.benchmark
    faces.boxes(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize(("option", "index"), [("weights", 1), ("detector", 0)])
def test_weights_of_the_wrong_network_are_rejected(
    hub: tuple[Path, Path], option: str, index: int
) -> None:
    request = Request({option: str(hub[index])}, device="cpu", allow_download=False)
    message = error_of(request, CheckpointError)
    assert message.startswith(f"{hub[index]}: not face-alignment's ")


def test_files_are_not_executed(hub: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "detector.pth"
    path.write_bytes(pickle.dumps({"weight": Path.touch}, protocol=2))
    request = Request({"detector": str(path)}, device="cpu", allow_download=False)
    assert error_of(request, CheckpointError).startswith(f"{path}: is a Python pickle, but not one")
    torch.jit.save(torch.jit.trace(nn.ReLU(), torch.zeros(1)), path)
    assert error_of(request, CheckpointError).startswith(f"{path}: is TorchScript, a program")


@pytest.mark.parametrize(
    ("cached", "description"),
    [
        (None, f"{LANDMARK_NAME} (face-alignment's 2D-FAN, 96 MB, {ORIGIN}/{LANDMARK_NAME})"),
        (
            LANDMARK_NAME,
            f"{DETECTOR_NAME} (face-alignment's face detector S3FD, 90 MB, "
            f"{ORIGIN}/{DETECTOR_NAME})",
        ),
    ],
)
def test_missing_weights_are_an_error_with_a_cure(
    hub: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cached: str | None,
    description: str,
) -> None:
    block_network(monkeypatch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cache = tmp_path / "checkpoints"
    cache.mkdir()
    if cached:
        (cache / cached).symlink_to(hub[0])
    option = "detector" if cached else "weights"
    cure = (
        f"give its path as faces?{option}=FILE or set the extractor to faces-dlib, whose weights "
        "pip installs"
    )
    messages: list[str] = []
    message = error_of(Request(allow_download=False, announce=messages.append), ConfigError)
    assert message == f"{description}: not found, and downloads are off; {cure}"
    assert messages == []
    message = error_of(Request(announce=messages.append), ConfigError)
    assert message.startswith(f"{description}: not found, and downloading failed (")
    assert "the network is blocked" in message
    assert message.endswith(f"; {cure}")
    assert messages == [f"downloading {description} to {cache}"]
    assert [path.name for path in cache.iterdir()] == ([cached] if cached else [])


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(ConfigError, match="faces: unknown option size; it takes weights, detector"):
        open_extractor(Request({"size": "2"}))


def test_a_missing_package_is_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    message = error_of(Request(), ConfigError)
    assert message.startswith("faces: face_alignment cannot be imported (")
    assert message.endswith("install it with: pip install 'cpabmm[faces]'")
