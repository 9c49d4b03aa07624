"""Scene cuts: found at the right frames, with a small buffer."""

import sys

import numpy as np
import pytest
from _helpers.raw_videos import across, wandering

from cpabmm_core.data.preprocess.raw.scenes import check_scene_detector, split_scenes
from cpabmm_core.errors import ConfigError


def test_cuts_are_found_at_their_frames() -> None:
    pytest.importorskip("scenedetect")
    first, second, third = (wandering(across(30), seed=seed) for seed in (0, 5, 6))
    images = first + [255 - image for image in second] + third
    frames = list(split_scenes(iter(images), "adaptive"))
    assert [frame.number for frame in frames] == list(range(90))
    assert all(frame.image is image for frame, image in zip(frames, images, strict=True))
    assert [frame.number for frame in frames if frame.begins_scene] == [0, 30, 60]


def test_few_frames_are_buffered() -> None:
    pytest.importorskip("scenedetect")
    read = 0

    def images() -> "object":
        nonlocal read
        for image in wandering(across(20)):
            read += 1
            yield image

    for frame in split_scenes(images(), "adaptive"):  # type: ignore[arg-type]
        assert read - frame.number <= 3


def test_without_cuts_only_the_first_frame_begins_a_scene() -> None:
    images = [np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)]
    assert [frame.begins_scene for frame in split_scenes(images, "none")] == [True, False]


def test_a_missing_package_is_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    assert check_scene_detector("none") is None
    with pytest.raises(ConfigError, match=r"cpabmm\[scenes\].*scenes='none'") as error:
        check_scene_detector("adaptive")
    assert "\n" not in str(error.value)
