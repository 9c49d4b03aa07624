"""Cameras, with an object that behaves as OpenCV's `VideoCapture`."""

import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame

from cpabmm_core.errors import InputLost, MediaError
from cpabmm_core.media import VideoFrame, open_driving
from cpabmm_core.media.camera import CameraFrames, camera_number


class FakeCapture:
    """A camera that shows numbered frames at a rate."""

    def __init__(
        self, *, frames: int = 10_000, interval: float = 0.01, rate: float = 100, opens: bool = True
    ) -> None:
        self.frames, self.interval, self.rate, self.opens = frames, interval, rate, opens
        self.count = 0
        self.is_released = False

    def isOpened(self) -> bool:
        return self.opens

    def get(self, property_id: int, /) -> float:
        return self.rate if property_id == 5 else 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        assert not self.is_released
        time.sleep(self.interval)
        if self.count == self.frames:
            return False, None
        self.count += 1
        return True, numbered_frame(self.count % 256)[..., ::-1]

    def release(self) -> None:
        self.is_released = True


def install(monkeypatch: pytest.MonkeyPatch, capture: FakeCapture) -> list[int]:
    """Make `capture` the camera that OpenCV opens, and return the numbers that are opened."""
    opened: list[int] = []

    def open_it(number: int) -> FakeCapture:
        opened.append(number)
        return capture

    logging = SimpleNamespace(getLogLevel=lambda: 3, setLogLevel=lambda _: None, LOG_LEVEL_SILENT=0)
    module = ModuleType("cv2")
    module.__dict__.update(VideoCapture=open_it, utils=SimpleNamespace(logging=logging))
    monkeypatch.setitem(sys.modules, "cv2", module)
    return opened


def test_frames_come_in_order_with_the_time_of_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = FakeCapture(interval=0.02, rate=50)
    assert install(monkeypatch, capture) == []
    with open_driving("camera:7") as camera:
        assert camera.is_live
        assert camera.path is None
        assert not camera.has_audio
        assert (camera.width, camera.height) == (64, 48)
        assert camera.frame_rate == 50
        started = time.monotonic()
        frames = [frame for _, frame in zip(range(8), camera, strict=False)]
        seconds = time.monotonic() - started
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))
    times = [float(frame.pts * camera.time_base) for frame in frames]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert 7 * 0.02 <= times[-1] <= seconds + 0.05
    assert all(frame.duration * camera.time_base == pytest.approx(0.02) for frame in frames)
    assert (frames[0].image[4, 8:-8] == (220, 30, 30)).all()  # red, not blue
    assert capture.is_released


def test_slow_consumer_gets_the_newest_frame() -> None:
    capture = FakeCapture(interval=0.01)
    ages = []
    with CameraFrames("camera:0", capture) as camera:
        for count, frame in enumerate(camera):
            ages.append(capture.count % 256 - number_of(frame.image))
            time.sleep(0.15)
            if count == 4:
                break
    assert capture.count > 40
    assert max(ages[1:]) <= 3  # a queue of frames would be 15 late, then 30, ...


def test_stop_ends_the_recording_in_order_and_closes_the_camera() -> None:
    capture = FakeCapture()
    with CameraFrames("camera:0", capture) as camera:
        threading.Timer(0.2, camera.stop).start()
        count = sum(1 for _ in camera)
    assert count > 2
    assert capture.is_released


def test_camera_that_stops_is_lost_after_the_frames_so_far() -> None:
    frames: list[VideoFrame] = []
    with (
        CameraFrames("camera:0", FakeCapture(frames=5, interval=0.05)) as camera,
        pytest.raises(InputLost, match=r"^camera:0: stopped after \d frames; check its cable"),
    ):
        frames.extend(camera)
    assert frames


def test_driver_error_is_told_in_one_line() -> None:
    class Failing(FakeCapture):
        def read(self) -> tuple[bool, np.ndarray | None]:
            if self.count == 2:
                raise RuntimeError("ioctl\nfailed")
            return super().read()

    with (
        CameraFrames("camera:0", Failing(interval=0.05)) as camera,
        pytest.raises(InputLost, match=r"^camera:0: stopped after \d frames \(ioctl failed\); "),
    ):
        list(camera)


def test_camera_without_a_frame_is_refused() -> None:
    empty, slow = FakeCapture(frames=0), FakeCapture(interval=0.5)
    with pytest.raises(MediaError, match=r"^camera:0: delivers no frame; "):
        CameraFrames("camera:0", empty)
    with pytest.raises(MediaError, match=r"^camera:0: delivers no frame; "):
        CameraFrames("camera:0", slow, longest_start=0.1)
    assert empty.is_released
    assert slow.is_released


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_unstated_rate_is_30(rate: float) -> None:
    with CameraFrames("camera:0", FakeCapture(rate=rate)) as camera:
        assert camera.frame_rate == 30


def test_missing_camera_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = FakeCapture(opens=False)
    install(monkeypatch, capture)
    with pytest.raises(MediaError, match=r"^camera:987: ") as got:
        open_driving("camera:987")
    assert "; " in str(got.value)
    assert "\n" not in str(got.value)
    assert capture.is_released


def test_reasons_differ_between_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeCapture(opens=False))
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(MediaError, match="lets this program use cameras"):
        open_driving("camera:0")


def test_missing_extra_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        MediaError, match=r"^camera:0: needs OpenCV; pip install 'cpabmm\[camera\]'"
    ):
        open_driving("camera:0")


def test_opencv_itself_has_no_camera_987(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2")
    with pytest.raises(MediaError, match=r"^camera:987: "):
        open_driving("camera:987")
    assert capfd.readouterr() == ("", "")


LIKE_CAMERAS = (
    *("camera", "camera:", "camera:a", "camera:-1", "camera:0x1", "camera: 0", "Camera:0", "0"),
    *("camera:0.mp4", "camera:0\n", "./camera:0", "/camera:0", "camera:1234", "camera:\uff10"),
)


@pytest.mark.parametrize("name", LIKE_CAMERAS)
def test_nothing_but_its_exact_name_opens_a_camera(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = install(monkeypatch, FakeCapture())
    assert camera_number(name) is None
    with pytest.raises(MediaError):
        open_driving(name)
    assert opened == []
