"""The examples that animate while frames arrive, and the walk through the Python interface."""

import io
import runpy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests
from _helpers.tiny_model import tiny_model
from typer.testing import CliRunner

from cpabmm_core import Animator
from cpabmm_core.media import VideoReader, VideoWriter, camera, read_image, write_image

EXAMPLES = Path(__file__).parents[1] / "examples"
FRAMES = 40


def test_the_walk_through_the_interface_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = runpy.run_path(str(EXAMPLES / "animate_step_by_step.py"))
    steps = tmp_path / "steps"
    assert sorted(path.name for path in steps.iterdir()) == sorted(
        [
            *("animated.mp4", "animated.png", "keypoints.png", "motion-scale.png"),
            *("reference.png", "trot.safetensors"),
        ]
    )
    with VideoReader(steps / "animated.mp4") as video:
        assert (len(list(video)), video.width, video.height) == (16, 160, 160)
    still, *_ = np.split(read_image(steps / "motion-scale.png"), 4, axis=1)
    # Without movement, the model shows the source.
    assert np.abs(still[:, :188].astype(int) - cells["source"][:, :188]).mean() < 4


class Capture:
    """A camera that shows a puppet for ever."""

    def __init__(self) -> None:
        self.frames = [np.full((30, 40, 3), 8 * number, np.uint8) for number in range(8)]
        self.count = 0

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, Any]:
        threading.Event().wait(0.01)
        self.count += 1
        return True, self.frames[self.count % 8]

    def get(self, propId: int, /) -> float:
        return 25.0

    def release(self) -> None: ...


def test_a_camera_is_animated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cpabmm_core.media.inputs.open_camera",
        lambda number: camera.CameraFrames(f"camera:{number}", Capture()),
    )
    monkeypatch.chdir(tmp_path)
    app = runpy.run_path(str(EXAMPLES / "webcam.py"))["app"]
    outcome = CliRunner().invoke(app, ["-o", "live.mp4", "--frames", "5"])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.startswith("5 frames, ")
    with VideoReader("live.mp4") as video:
        frames = list(video)
        assert (video.width, video.height, len(frames)) == (192, 192, 5)
    times = [frame.pts for frame in frames]
    assert times == sorted(set(times))


class Gated:
    """An animator whose frames after the first batches wait for `gate`."""

    def __init__(self) -> None:
        self.animator = Animator(tiny_model(), batch_size=2)
        self.gate = threading.Event()
        self.pushed = 0
        self.closed = False

    def stream(self, source: np.ndarray) -> "Gated":
        self.inner = self.animator.stream(source)
        return self

    def push(self, frame: np.ndarray, time: float) -> list[np.ndarray]:
        self.pushed += 1
        assert self.pushed <= FRAMES // 2 or self.gate.wait(30)
        return self.inner.push(frame, time)

    def flush(self) -> list[np.ndarray]:
        return self.inner.flush()


@contextmanager
def serve(animator: Gated) -> Iterator[str]:
    uvicorn = pytest.importorskip("uvicorn")
    service = runpy.run_path(str(EXAMPLES / "video_service.py"))["create_service"](animator)
    server = uvicorn.Server(uvicorn.Config(service, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            threading.Event().wait(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/animate"
    finally:
        animator.gate.set()
        server.should_exit = True
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    write_image(tmp_path / "a.png", np.full((37, 37, 3), 90, np.uint8))
    with VideoWriter(tmp_path / "a.mp4", 32, 32, 25, Fraction(1, 25)) as video:
        for number in range(FRAMES):
            video.write(np.full((32, 32, 3), 5 * number, np.uint8), 2 * number)
    return {
        "source": (tmp_path / "a.png").read_bytes(),
        "driving": (tmp_path / "a.mp4").read_bytes(),
    }


def test_the_service_sends_video_while_it_renders(files: dict[str, bytes]) -> None:
    animator = Gated()
    with serve(animator) as url:
        answer = requests.post(url, files=files, stream=True, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "video/mp4"
        pieces = answer.iter_content(None)
        received = b""
        while b"mdat" not in received:
            received += next(pieces)
        assert animator.pushed < FRAMES  # the first pictures are here, the last ones not rendered
        with av.open(io.BytesIO(received), "r") as beginning:
            assert len(list(beginning.decode(video=0))) >= 1
        animator.gate.set()
        received += b"".join(pieces)
    with av.open(io.BytesIO(received), "r") as video:
        stream = video.streams.video[0]
        times = [frame.time for frame in video.decode(video=0)]
        assert (stream.width, stream.height) == (36, 36)
    assert times == pytest.approx([number * 2 / 25 for number in range(FRAMES)], abs=1e-3)


def test_the_service_explains_what_is_wrong(files: dict[str, bytes]) -> None:
    with serve(Gated()) as url:
        for sent, status, words in (
            ({**files, "driving": b"no video"}, 422, "driving"),
            ({**files, "source": b""}, 422, "source"),
            ({"source": files["source"]}, 422, "send the files"),
        ):
            answer = requests.post(url, files=sent, timeout=30)
            assert (answer.status_code, words in answer.text) == (status, True), answer.text
            assert "\n" not in answer.text
        headers = {"content-length": str(2**40)}
        assert requests.post(url, data=b"", headers=headers, timeout=30).status_code == 413
        assert requests.get(url, timeout=30).status_code == 405


def test_a_client_that_goes_away_ends_its_animation(files: dict[str, bytes]) -> None:
    animator = Gated()
    with serve(animator) as url:
        answer = requests.post(url, files=files, stream=True, timeout=30)
        next(answer.iter_content(None))
        answer.close()
        threading.Event().wait(0.5)
        animator.gate.set()
        animator.pushed = 0  # the next one waits for the turn of the first
        assert len(requests.post(url, files=files, timeout=30).content) > 1000
