"""Pairs of frames from clips, some of which are damaged."""

from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video

from cpabmm_core.config import DataConfig
from cpabmm_core.data.clip_frames import ClipFrames, FramePair
from cpabmm_core.data.clip_set import open_clips
from cpabmm_core.errors import DataError
from cpabmm_core.media.image import write_image

FRAMES = 60


def reader(folder: Path, **changes: object) -> ClipFrames:
    config = DataConfig.model_validate({"frame_size": 48} | changes)
    return ClipFrames(open_clips(folder, config.on_error, lambda _: None), config)


def pair_at(frames: ClipFrames, clip: int, i: int, j: int) -> FramePair:
    """Read the i-th and j-th of the offered frames, or the last ones if there are fewer."""
    return frames.pair(clip, lambda f: [f[min(i, len(f) - 2)], f[min(j, len(f) - 1)]])


def numbers(pair: FramePair) -> list[int]:
    return [number_of(image) for image in pair.images]


def spoil(path: Path) -> None:
    """Overwrite bytes in the middle of a video."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(data))


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A folder with a.mp4, in which a group of frames is damaged, and the intact b.mp4."""
    write_test_video(tmp_path / "a.mp4", size=(96, 96), frames=FRAMES, options={"g": "10"})
    write_test_video(tmp_path / "b.mp4", size=(96, 96), frames=20)
    spoil(tmp_path / "a.mp4")
    return tmp_path


def lost_frames(folder: Path) -> list[int]:
    clip = open_clips(folder, "skip", lambda _: None)[0].clip
    return sorted(clip.find_damage())


def test_pairs_are_the_requested_frames(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4", frames=20, size=(96, 96), options={"bf": "3"})
    frames = reader(tmp_path)
    pair = pair_at(frames, 0, 17, 4)
    assert pair.images.shape == (2, 48, 48, 3)
    assert pair.images.dtype == np.uint8
    assert (numbers(pair), pair.name, pair.notes) == ([17, 4], "a.mp4", [])
    assert numbers(pair_at(frames, 0, 4, 18)) == [4, 18]  # one from the cache, one from the file


def test_damaged_frames_are_replaced_and_named(spoilt: Path) -> None:
    lost = lost_frames(spoilt)
    assert 0 < len(lost) <= 20
    frames = reader(spoilt)
    pair = pair_at(frames, 0, lost[0], 50)
    assert pair.name == "a.mp4"
    assert not set(numbers(pair)) & set(lost)
    assert len(pair.notes) == 1
    assert pair.notes[0].startswith(f"{spoilt / 'a.mp4'}: damaged after ")
    assert f"skipping frames {lost[0]}-{lost[-1]} of 60" in pair.notes[0]
    assert pair_at(frames, 0, 0, 5).notes == []
    assert pair_at(frames, 1, 0, 5).notes == []


def test_substitutes_depend_only_on_the_files(spoilt: Path) -> None:
    """They do not depend on earlier requests or on the cache."""
    lost = lost_frames(spoilt)
    asked = [(0, 3, lost[0]), (0, lost[-1], 55), (1, 2, 3), (0, 4, 5), (0, lost[0], lost[1])]
    used, tight = reader(spoilt), reader(spoilt, cache_mb=0)
    for _ in range(2):
        for request in reversed(asked):
            fresh = pair_at(reader(spoilt), *request)
            for other in (pair_at(used, *request), pair_at(tight, *request)):
                assert np.array_equal(other.images, fresh.images)
                assert (other.name, other.notes) == (fresh.name, fresh.notes)


def test_damaged_frames_are_refused(spoilt: Path) -> None:
    lost = lost_frames(spoilt)
    frames = reader(spoilt, on_error="refuse")
    with pytest.raises(DataError, match=r"a\.mp4: damaged after .*data\.on_error=skip") as error:
        pair_at(frames, 0, 0, lost[0])
    assert "\n" not in str(error.value)
    assert numbers(pair_at(frames, 0, 0, 5)) == [0, 5]


def test_the_next_clip_replaces_an_unreadable_one(tmp_path: Path) -> None:
    for name in "abc":
        write_test_video(tmp_path / f"{name}.mp4", size=(96, 96))
    frames = reader(tmp_path)
    (tmp_path / "b.mp4").unlink()
    (tmp_path / "c.mp4").write_text("no video any more")
    pair = pair_at(frames, 1, 2, 3)
    assert (pair.name, numbers(pair)) == ("a.mp4", [2, 3])
    assert [note.split(": ")[0] for note in pair.notes] == [
        str(tmp_path / name) for name in ("b.mp4", "c.mp4")
    ]
    assert all(note.endswith("so the next clip replaces it") for note in pair.notes)
    (tmp_path / "a.mp4").unlink()
    frames = ClipFrames(frames.clips, DataConfig(frame_size=48))
    with pytest.raises(DataError, match=r"no clip is readable; .*no such file"):
        pair_at(frames, 1, 2, 3)


def test_broken_images_of_a_frame_folder_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for k in range(9):
        write_image(tmp_path / "a" / f"{k}.png", numbered_frame(k, 64, 64))
    (tmp_path / "a" / "2.png").write_bytes(b"broken")
    (tmp_path / "a" / "6.png").write_bytes(b"broken")
    write_image(tmp_path / "a" / "7.png", numbered_frame(7, 32, 32))
    frames = reader(tmp_path)
    pair = pair_at(frames, 0, 2, 8)
    assert "skipping frames 2, 6-7 of 9" in pair.notes[0]
    assert str(tmp_path / "a" / "2.png") in pair.notes[0]
    assert not set(numbers(pair)) & {2, 6, 7}


@pytest.mark.parametrize("cache_mb", [0, 1])
def test_frames_of_different_sizes_form_no_pair(tmp_path: Path, cache_mb: int) -> None:
    """Resized to one square, they would not show one motion; caching makes no difference."""
    (tmp_path / "a").mkdir()
    for k, side in enumerate((64, 64, 32, 32)):
        write_image(tmp_path / "a" / f"{k}.png", numbered_frame(k, side, side))
    frames = reader(tmp_path, cache_mb=cache_mb)
    pair_at(frames, 0, 0, 1)
    pair = frames.pair(0, lambda f: [f[0], f[-1]])
    assert numbers(pair) == [0, 1]
    assert "differs in size" in pair.notes[0]
    with pytest.raises(DataError, match="differ in size"):
        reader(tmp_path, cache_mb=cache_mb, on_error="refuse").pair(0, lambda f: [f[0], f[-1]])


def test_a_strip_that_changes_after_opening_is_replaced(tmp_path: Path) -> None:
    strip = np.hstack([numbered_frame(k, 32, 32) for k in range(5)])
    write_image(tmp_path / "a.png", strip)
    write_image(tmp_path / "b.png", strip)
    frames = reader(tmp_path)
    write_image(tmp_path / "a.png", strip[:, : 2 * 32])
    pair = pair_at(frames, 0, 0, 4)
    assert pair.name == "b.png"
    assert "has changed its size since it was opened" in pair.notes[0]
