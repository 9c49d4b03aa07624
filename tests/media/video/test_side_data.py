"""Additional data of frames is found even next to kinds for which PyAV has no name."""

from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video
from _helpers.odd_files.opening import make_camera_avi, make_photo
from PIL import ImageOps
from PIL.Image import Exif, fromarray

from cpabmm_core.media.video import FrameIndex, VideoReader
from cpabmm_core.media.video.side_data import read_side_data


def shown(number: int, orientation: int) -> np.ndarray:
    """Return what Pillow shows for a numbered frame with this EXIF orientation."""
    image = fromarray(numbered_frame(number))
    exif = Exif()
    exif[0x112] = orientation
    image.info["exif"] = exif.tobytes()
    return np.asarray(ImageOps.exif_transpose(image))


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_with_exif_are_read_upright(tmp_path: Path, orientation: int) -> None:
    """A camera writes EXIF into each frame of Motion JPEG."""
    path = tmp_path / "camera.avi"
    make_camera_avi(path, orientation)
    frames = [frame.image for frame in VideoReader(path)]
    indexed = FrameIndex(path).read(range(6))
    for number in range(6):
        expected = shown(number, orientation).astype(int)
        for image in (frames[number], indexed[number]):
            assert image.shape == expected.shape
            assert np.abs(image - expected).mean() < 6  # JPEG, with halved chroma


def test_a_photo_as_a_video_is_one_upright_frame(tmp_path: Path) -> None:
    make_photo(tmp_path / "photo.jpg")
    images = [frame.image for frame in VideoReader(tmp_path / "photo.jpg")]
    assert [image.shape for image in images] == [(64, 48, 3)]
    assert number_of(np.rot90(images[0])) == 5


def test_other_kinds_are_found_next_to_unnamed_ones(tmp_path: Path) -> None:
    make_camera_avi(tmp_path / "a.avi", 6)
    frame = first_frame(tmp_path / "a.avi")
    data = read_side_data(frame, "DISPLAYMATRIX")
    assert data is not None
    assert np.frombuffer(data, np.int32)[:5].tolist() == [0, 1 << 16, 0, -(1 << 16), 0]
    assert read_side_data(frame, "ICC_PROFILE") is None


def test_a_frame_without_side_data_has_none(tmp_path: Path) -> None:
    frame = first_frame(write_test_video(tmp_path / "a.mkv", codec="ffv1"))
    assert read_side_data(frame, "DISPLAYMATRIX") is None
