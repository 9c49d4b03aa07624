from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _helpers.known_extractors import square_frame, write_frames
from _helpers.media_files import write_test_video
from numpy.typing import NDArray

from cpabmm_core.errors import ConfigError
from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.extractors import ExtractorInfo, Request, auto
from cpabmm_core.metrics.extractors.auto import (
    choose_embedding_extractor,
    choose_keypoint_extractor,
)


class Fake:
    """An extractor that finds something in frames with a white pixel, and records batch shapes."""

    def __init__(self, name: str, *, finds: bool) -> None:
        self.info = ExtractorInfo(name, "1", "00", "nothing")
        self._finds = finds
        self.seen: list[tuple[int, ...]] = []

    def keypoints(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.seen.append(frames.shape)
        white = (frames == 255).any(axis=(1, 2, 3)) & self._finds
        return np.where(white[:, None, None], np.ones((1, 3, 2)), np.nan)

    def embeddings(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        return self.keypoints(frames)[:, 0]


Install = Callable[..., dict[str, Fake]]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install only these extractors; True makes one find white pixels."""

    def install(**extractors: bool) -> dict[str, Fake]:
        extractors_by_name = {
            name.replace("_", "-"): Fake(name.replace("_", "-"), finds=finds)
            for name, finds in extractors.items()
        }

        def open_by_name(name: str, request: Request) -> Fake:
            assert not request.allow_download
            if name not in extractors_by_name:
                raise ConfigError(f"{name}: weights are missing; pip install cpabmm[{name}]")
            return extractors_by_name[name]

        monkeypatch.setattr(auto, "open_keypoint_extractor", open_by_name)
        monkeypatch.setattr(auto, "open_embedding_extractor", open_by_name)
        return extractors_by_name

    return install


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    """Three videos of 10 frames that show a white square."""
    return [
        write_frames(tmp_path / name, [square_frame(n, 2) for n in range(10)]) for name in "abc"
    ]


def chosen_names(videos: list[Path]) -> tuple[str | None, str | None]:
    keypoints = choose_keypoint_extractor(videos, Request()).extractor
    identity = choose_embedding_extractor(videos, Request()).extractor
    return (
        None if keypoints is None else keypoints.info.name,
        None if identity is None else identity.info.name,
    )


@pytest.mark.parametrize(
    ("extractors", "expected"),
    [
        ({"faces": True, "faces_dlib": True, "bodies": True}, ("faces", "faces-dlib")),
        ({"faces_dlib": True, "bodies": True}, ("faces-dlib", "faces-dlib")),
        ({"faces": False, "faces_dlib": True}, ("faces-dlib", "faces-dlib")),
        ({"faces": False, "faces_dlib": False, "bodies": False}, ("bodies", None)),
        ({"bodies": True}, ("bodies", None)),
        ({"faces": True}, ("faces", None)),
        ({"faces_dlib": False, "dino": True, "puppets": True}, (None, None)),
        ({}, (None, None)),
    ],
    ids=str,
)
def test_chooses_the_first_installed_extractor_that_finds_something(
    installed: Install,
    videos: list[Path],
    extractors: dict[str, bool],
    expected: tuple[str | None, str | None],
) -> None:
    installed(**extractors)
    assert chosen_names(videos) == expected


def test_chooses_puppets_for_videos_with_puppet_joints(
    installed: Install, videos: list[Path]
) -> None:
    extractors = installed(puppets=False, faces=True, faces_dlib=True)
    videos[1].with_suffix(".json").write_text('{"joint_names": ["head"], "joints": []}')
    assert chosen_names(videos) == ("puppets", "puppets")
    assert extractors["faces"].seen == []


def test_the_reason_lists_unavailable_extractors_and_cures(
    installed: Install, videos: list[Path]
) -> None:
    installed(faces_dlib=False)
    reason = choose_keypoint_extractor(videos, Request()).reason
    assert reason == (
        "faces: weights are missing; pip install cpabmm[faces]; "
        "faces-dlib finds no face in most frames; "
        "bodies: weights are missing; pip install cpabmm[bodies]"
    )
    assert "dino" in choose_embedding_extractor(videos, Request()).reason


@pytest.mark.parametrize(("white", "expected"), [(9, "faces"), (8, None)])
def test_most_frames_means_more_than_half(
    installed: Install, tmp_path: Path, white: int, expected: str | None
) -> None:
    installed(faces=True)
    frames = [square_frame(2, 2, grey=255 if n < white else 90) for n in range(16)]
    videos = [write_frames(tmp_path / "a", frames)]
    assert chosen_names(videos) == (expected, None)


def test_samples_16_frames_spread_over_the_set_once(installed: Install, tmp_path: Path) -> None:
    extractors = installed(faces=True, faces_dlib=True)
    videos = []
    for number in range(40):
        frame = square_frame(2, 2, size=20 + number)
        videos.append(write_frames(tmp_path / str(number), [frame] * 3))
    choose_keypoint_extractor(videos, Request())
    sizes = [shape[1] - 20 for shape in extractors["faces"].seen]
    assert len(sizes) == 16
    assert sizes == sorted(set(sizes))
    assert sizes[0] < 3
    assert sizes[-1] > 36
    assert {shape[0] for shape in extractors["faces"].seen} == {1}


def test_samples_images_strips_and_videos(installed: Install, tmp_path: Path) -> None:
    extractors = installed(faces=True)
    write_image(tmp_path / "picture.png", square_frame(1, 1))
    write_image(tmp_path / "wide.png", np.zeros((10, 17, 3), np.uint8))
    write_image(tmp_path / "strip.png", np.concatenate([square_frame(1, 1)] * 3, axis=1))
    video = write_test_video(tmp_path / "a.mp4", frames=3)
    names = ("picture.png", "wide.png", "strip.png")
    choose_keypoint_extractor([*(tmp_path / name for name in names), video], Request())
    assert extractors["faces"].seen == [
        (1, 24, 24, 3),
        (1, 10, 17, 3),
        (3, 24, 24, 3),
        (3, 48, 64, 3),
    ]
