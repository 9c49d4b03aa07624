from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.media_files import write_test_video
from _helpers.moving_square import moving_square
from _helpers.tiny_model import tiny_config, tiny_model
from PIL import Image
from torch import Tensor

from cpabmm_core.config import AugmentConfig, DataConfig
from cpabmm_core.data.clip_set import open_clips
from cpabmm_core.errors import DataError
from cpabmm_core.inference.frames import to_model_input
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.training.keypoint_tracks import KeypointTracks, detect_tracks

MIRRORED = tiny_config().data
PLAIN = tiny_config(**{"data.augment": {"horizontal_flip": False}}).data
REFUSE = tiny_config(**{"data.on_error": "refuse"}).data


def numbered(lengths: list[int], versions: int) -> list[Tensor]:
    """Return tracks with a keypoint that encodes its origin: (clip + version / 10, frame)."""
    tracks = []
    for clip, length in enumerate(lengths):
        frames = torch.arange(length).expand(versions, length)
        origin = clip + torch.arange(versions)[:, None].expand(versions, length) / 10
        tracks.append(torch.stack((origin, frames), dim=2)[:, :, None])
    return tracks


@pytest.mark.parametrize("versions", [1, 2])
def test_pair_is_two_frames_of_one_clip_in_one_version(versions: int) -> None:
    lengths = [2, 5, 3]
    tracks = KeypointTracks(numbered(lengths, versions), AugmentConfig())
    assert (len(tracks), tracks.clips, tracks.frames) == (3, 3, 10)
    one, other = tracks.pairs(2000, np.random.default_rng(0))
    assert one.shape == other.shape == (2000, 1, 2)
    assert torch.equal(one[..., 0], other[..., 0])
    assert not (one[..., 1] == other[..., 1]).any()
    sampled = {
        (*origin, frame)
        for pair in (one, other)
        for origin, frame in zip(
            [(round(x), round(10 * (x - round(x)))) for x in pair[:, 0, 0].tolist()],
            pair[:, 0, 1].tolist(),
            strict=True,
        )
    }
    assert sampled == {
        (clip, version, frame)
        for clip, length in enumerate(lengths)
        for version in range(versions)
        for frame in range(length)
    }


def test_clips_are_sampled_equally_often_whatever_their_length() -> None:
    tracks = KeypointTracks(numbered([2, 200], 1), AugmentConfig())
    one, _ = tracks.pairs(4000, np.random.default_rng(0))
    assert one[..., 0].mean().item() == pytest.approx(0.5, abs=0.04)  # 5 standard deviations


def test_identities_and_their_clips_are_sampled_equally_often() -> None:
    """Clips 0, 2 and 3 show one identity, clip 1 another."""
    groups = [[0, 2, 3], [1]]
    tracks = KeypointTracks(numbered([2, 9, 30, 4], 1), AugmentConfig(), groups)
    assert (len(tracks), tracks.clips) == (2, 4)
    one, other = tracks.pairs(6000, np.random.default_rng(0))
    assert torch.equal(one[..., 0], other[..., 0])
    shares = np.bincount(one[:, 0, 0].int(), minlength=4) / 6000
    np.testing.assert_allclose(shares, [1 / 6, 1 / 2, 1 / 6, 1 / 6], atol=0.03)


@pytest.mark.parametrize(
    ("time_flip", "horizontal_flip", "swapped", "mirrored"),
    [(True, True, 0.5, 0.25), (True, False, 0.5, 0), (False, True, 0, 0.5), (False, False, 0, 0)],
)
def test_pairs_are_flipped_like_frames(
    time_flip: bool, horizontal_flip: bool, swapped: float, mirrored: float
) -> None:
    augment = AugmentConfig(time_flip=time_flip, horizontal_flip=horizontal_flip)
    tracks = KeypointTracks(numbered([7], 2 if horizontal_flip else 1), augment)
    one, other = tracks.pairs(4000, np.random.default_rng(0))
    in_time = one[:, 0, 1] > other[:, 0, 1]
    in_space = one[:, 0, 0] > 0.05
    # 4 standard deviations.
    assert in_time.float().mean() == pytest.approx(swapped, abs=0.032 if swapped else 0)
    assert in_space.float().mean() == pytest.approx(mirrored, abs=0.032 if mirrored else 0)
    assert not (in_time & in_space).any()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a strip of 3 frames and a video of 40, more than a batch of the detector."""
    strip = np.concatenate(moving_square(3, height=40, width=40), axis=1)
    Image.fromarray(strip).save(tmp_path / "a.png")
    write_test_video(tmp_path / "b.mp4", frames=40, options={"g": "8"})
    return tmp_path


def detect(folder: Path, config: DataConfig) -> tuple[list[Tensor], list[str]]:
    messages: list[str] = []
    clips = open_clips(folder, config.on_error, messages.append)
    found = list(detect_tracks(InferenceModel(tiny_model()), clips, config, messages.append))
    return [track for _, track in found], messages


def test_tracks_equal_detection_in_single_frames_and_mirrored_frames(folder: Path) -> None:
    model = tiny_model()
    tracks, messages = detect(folder, MIRRORED)
    assert [track.shape for track in tracks] == [(2, 3, 6, 2), (2, 40, 6, 2)]
    assert not messages
    for track, clip in zip(tracks, open_clips(folder, "refuse", print), strict=True):
        for index, frame in enumerate(clip.clip.read(range(track.shape[1]))):
            image = to_model_input(frame, model.frame_size, torch.device("cpu"))
            with torch.no_grad():
                expected = torch.cat([model.keypoints(image), model.keypoints(image.flip(3))])
            torch.testing.assert_close(track[:, index], expected)
    mirrored = tracks[1][0] * torch.tensor([-1.0, 1.0])
    assert not torch.allclose(tracks[1][1], mirrored, atol=0.05)


def test_without_flips_frames_are_detected_once(folder: Path) -> None:
    both, _ = detect(folder, MIRRORED)
    tracks, _ = detect(folder, PLAIN)
    for track, versions in zip(tracks, both, strict=True):
        torch.testing.assert_close(track, versions[:1])


def spoil(video: Path) -> None:
    """Damage the middle of a video, which only decoding reveals."""
    data = bytearray(video.read_bytes())
    middle = slice(len(data) // 3, len(data) // 2)
    data[middle] = bytes(len(data[middle]))
    video.write_bytes(data)


def test_damaged_clip_is_skipped_or_refused(folder: Path) -> None:
    spoil(folder / "b.mp4")
    assert len(open_clips(folder, "refuse", print)) == 2
    clips = open_clips(folder, "skip", print)
    ((kept, _),) = detect_tracks(InferenceModel(tiny_model()), clips, MIRRORED, lambda _: None)
    assert kept.path.name == "a.png"
    tracks, messages = detect(folder, MIRRORED)
    assert [track.shape[1] for track in tracks] == [3]
    assert "b.mp4" in "".join(messages)
    with pytest.raises(DataError, match=r"b\.mp4.*data\.on_error=skip"):
        detect(folder, REFUSE)


def test_only_damaged_clips_are_an_error(folder: Path) -> None:
    (folder / "a.png").unlink()
    spoil(folder / "b.mp4")
    with pytest.raises(DataError, match=r"b\.mp4"):
        detect(folder, MIRRORED)
