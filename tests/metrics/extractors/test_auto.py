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
from cpabmm_core.metrics.extractors.auto import choose_identity, choose_keypoints


class Fake:
    """Finds something in the frames that have a white pixel; keeps the sizes of its batches."""

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
def at_hand(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes extractors the only ones at hand; True: they find what is white."""

    def install(**extractors: bool) -> dict[str, Fake]:
        known = {
            name.replace("_", "-"): Fake(name.replace("_", "-"), finds=finds)
            for name, finds in extractors.items()
        }

        def opened(name: str, request: Request) -> Fake:
            assert not request.allow_download
            if name not in known:
                raise ConfigError(f"{name}: no weights at hand; pip install cpabmm[{name}]")
            return known[name]

        monkeypatch.setattr(auto, "open_keypoint_extractor", opened)
        monkeypatch.setattr(auto, "open_embedding_extractor", opened)
        return known

    return install


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    """Three videos of 10 frames, all with a square."""
    return [
        write_frames(tmp_path / name, [square_frame(n, 2) for n in range(10)]) for name in "abc"
    ]


def chosen(videos: list[Path]) -> tuple[str | None, str | None]:
    keypoints = choose_keypoints(videos, Request()).extractor
    identity = choose_identity(videos, Request()).extractor
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
def test_the_first_that_is_at_hand_and_finds_something(
    at_hand: Install,
    videos: list[Path],
    extractors: dict[str, bool],
    expected: tuple[str | None, str | None],
) -> None:
    at_hand(**extractors)
    assert chosen(videos) == expected


def test_puppets_where_their_joints_lie_beside_the_videos(
    at_hand: Install, videos: list[Path]
) -> None:
    known = at_hand(puppets=False, faces=True, faces_dlib=True)
    videos[1].with_suffix(".json").write_text('{"joint_names": ["head"], "joints": []}')
    assert chosen(videos) == ("puppets", "puppets")
    assert known["faces"].seen == []


def test_what_is_left_out_says_why_and_how_to_get_it(at_hand: Install, videos: list[Path]) -> None:
    at_hand(faces_dlib=False)
    why = choose_keypoints(videos, Request()).reason
    assert why == (
        "faces: no weights at hand; pip install cpabmm[faces]; "
        "faces-dlib finds no face in most frames; "
        "bodies: no weights at hand; pip install cpabmm[bodies]"
    )
    assert "dino" in choose_identity(videos, Request()).reason


@pytest.mark.parametrize(("white", "expected"), [(9, "faces"), (8, None)])
def test_most_is_more_than_half(
    at_hand: Install, tmp_path: Path, white: int, expected: str | None
) -> None:
    at_hand(faces=True)
    frames = [square_frame(2, 2, grey=255 if n < white else 90) for n in range(16)]
    videos = [write_frames(tmp_path / "a", frames)]
    assert chosen(videos) == (expected, None)


def test_at_most_16_frames_are_looked_at_once_from_all_over_the_set(
    at_hand: Install, tmp_path: Path
) -> None:
    known = at_hand(faces=True, faces_dlib=True)
    videos = []
    for number in range(40):
        frame = square_frame(2, 2, size=20 + number)
        videos.append(write_frames(tmp_path / str(number), [frame] * 3))
    choose_keypoints(videos, Request())
    sizes = [shape[1] - 20 for shape in known["faces"].seen]
    assert len(sizes) == 16
    assert sizes == sorted(set(sizes))
    assert sizes[0] < 3
    assert sizes[-1] > 36
    assert {shape[0] for shape in known["faces"].seen} == {1}


def test_any_kind_of_clip_can_be_sampled(at_hand: Install, tmp_path: Path) -> None:
    known = at_hand(faces=True)
    write_image(tmp_path / "picture.png", square_frame(1, 1))
    write_image(tmp_path / "wide.png", np.zeros((10, 17, 3), np.uint8))
    write_image(tmp_path / "strip.png", np.concatenate([square_frame(1, 1)] * 3, axis=1))
    video = write_test_video(tmp_path / "a.mp4", frames=3)
    names = ("picture.png", "wide.png", "strip.png")
    choose_keypoints([*(tmp_path / name for name in names), video], Request())
    assert known["faces"].seen == [(1, 24, 24, 3), (1, 10, 17, 3), (3, 24, 24, 3), (3, 48, 64, 3)]
