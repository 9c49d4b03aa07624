"""The page through its own requests: what a visitor can do, and what not."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from _helpers.page import Page

from cpabmm_core.inference import AnimationReport, animate_file
from cpabmm_core.media import VideoReader, VideoWriter, read_image, write_image

pytest.importorskip("gradio")

import requests
from gradio_client import Client

SETTINGS = ("relative", "0", 1.0, "crop", "none", "none", 0.0, False)
"""Values of the controls as the page opens."""
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def visit(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Client]]:
    # A download leaves an empty folder in the one for temporary files, wherever it goes.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    clients: list[Client] = []

    def connect() -> Client:
        folder = tmp_path / f"downloads{len(clients)}"
        client = Client(
            page.url, verbose=False, analytics_enabled=False, download_files=str(folder)
        )
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


def write_video(path: Path, frames: int, side: int = 48) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (frames, 6, 6, 3), dtype=np.uint8)
    with VideoWriter(path, side, side, 30, Fraction(1, 30)) as video:
        for number, frame in enumerate(noise.repeat(side // 6, 1).repeat(side // 6, 2)):
            video.write(frame, number)
    return path


def choose(client: Client, source: Path | None = None, driving: Path | None = None) -> list[str]:
    """Upload files and return what the status says."""
    told = []
    for name, path in (("source", source), ("driving", driving)):
        if path is not None:
            files = {"files": (path.name, path.read_bytes())}
            answer = requests.post(f"{client.src}gradio_api/upload", files=files, timeout=30)
            [stored] = answer.json()
            told.append(str(client.predict(stored, api_name=f"/upload_{name}")[-1]))
    return told


def wait_until(condition: Callable[[], object]) -> None:
    end = monotonic() + 30
    while not condition():
        assert monotonic() < end
        sleep(0.02)


def sessions(page: Page) -> list[Path]:
    return sorted(page.studio.folder.glob("session-*"))


def test_uploads_are_animated(page: Page, visit: Callable[[], Client], tmp_path: Path) -> None:
    client = visit()
    write_image(tmp_path / "ma chère.png", np.full((60, 90, 3), 80, np.uint8))
    write_video(tmp_path / "drive.mp4", 7)
    choose(client, tmp_path / "ma chère.png", tmp_path / "drive.mp4")
    settings = ("relative", "auto", 1.5, "pad", "none", "none", 0.2, False, True)
    status, shown, download = client.predict(*settings, api_name="/animate")
    assert "7 frames of 90 x 60" in status
    result = Path(download["value"])
    assert result.name == "ma chère--drive.mp4"
    assert shown["value"] == download["value"]
    with VideoReader(result) as video, VideoReader(tmp_path / "drive.mp4") as driving:
        assert (video.width, video.height) == (90, 60)
        times = [frame.pts * video.time_base for frame in video]
        assert times == [frame.pts * driving.time_base for frame in driving]


def test_the_page_opens_with_the_pair_of_the_examples(page: Page) -> None:
    source, driving = page.studio.samples.sources[0], page.studio.samples.driving[0]
    shipped = read_image(EXAMPLES / "source.png").astype(int)
    assert np.abs(read_image(source.path) - shipped).max() <= 2
    with VideoReader(EXAMPLES / "driving.mp4") as expected, VideoReader(driving.path) as found:
        pairs = zip(expected, found, strict=True)
        assert max(np.abs(a.image.astype(int) - b.image).mean() for a, b in pairs) < 1


def test_samples_are_picked(page: Page, visit: Callable[[], Client]) -> None:
    client = visit()
    for name, choices in (
        ("source", page.studio.samples.sources),
        ("driving", page.studio.samples.driving),
    ):
        shown, _ = client.predict(2, api_name=f"/pick_{name}")
        assert choices[2].label in shown["label"]
    session = page.studio.sessions.get(client.session_hash)
    assert session.source == page.studio.samples.sources[2]
    assert session.driving == page.studio.samples.driving[2]


def test_wrong_files_and_settings_are_one_line(
    page: Page, visit: Callable[[], Client], tmp_path: Path
) -> None:
    client = visit()
    (tmp_path / "notes.mp4").write_text("no video\n" * 100)
    (tmp_path / "empty.png").write_bytes(b"")
    told = choose(client, tmp_path / "empty.png", tmp_path / "notes.mp4")
    for status, name in zip(told, ("empty.png", "notes.mp4"), strict=True):
        assert 'role="alert"' in status
        assert name in status
        assert str(page.studio.folder) not in status
        assert "\n" not in status
    session = page.studio.sessions.get(client.session_hash)
    assert session.source == page.studio.samples.sources[0]
    assert not any(session.folder.rglob("*.mp4"))
    for settings in (("relative", "last", *SETTINGS[2:]), ("relative", "9999", *SETTINGS[2:])):
        status, _, download = client.predict(*settings, api_name="/animate")
        assert 'role="alert"' in status
        assert download["value"] is None


def test_files_of_a_visitor_go_with_the_visitor(
    page: Page, visit: Callable[[], Client], tmp_path: Path
) -> None:
    client, other = visit(), visit()
    write_image(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    choose(client, tmp_path / "a.png")
    choose(other, tmp_path / "a.png")
    assert len(sessions(page)) >= 2
    folder = page.studio.sessions.get(client.session_hash).folder
    kept = page.studio.sessions.get(other.session_hash).folder
    write_image(tmp_path / "b.png", np.ones((32, 32, 3), np.uint8))
    choose(client, tmp_path / "b.png")
    assert [path.name for path in folder.rglob("?.png")] == ["b.png"]  # not a.png as well
    client.close()
    wait_until(lambda: not folder.exists())
    assert list(kept.rglob("a.png"))
    names = {path.name.partition("-")[0] for path in page.studio.folder.iterdir()}
    assert names <= {"samples", "session"}


def test_a_run_is_cancelled(page: Page, visit: Callable[[], Client], tmp_path: Path) -> None:
    client = visit()
    choose(client, driving=write_video(tmp_path / "long.mp4", 3000))
    session = page.studio.sessions.get(client.session_hash)
    job = client.submit(*SETTINGS, api_name="/animate")
    wait_until(lambda: any("frame " in str(output) for output in job.outputs()))
    job.cancel()
    wait_until(lambda: session.run is not None and not session.run.is_active)
    assert list((session.folder / "result").iterdir()) == []
    choose(client, driving=write_video(tmp_path / "short.mp4", 3))
    assert "3 frames" in client.predict(*SETTINGS, api_name="/animate")[0]


def test_a_run_ends_when_its_visitor_leaves(
    page: Page, visit: Callable[[], Client], tmp_path: Path
) -> None:
    client = visit()
    choose(client, driving=write_video(tmp_path / "long.mp4", 3000))
    session = page.studio.sessions.get(client.session_hash)
    job = client.submit(*SETTINGS, api_name="/animate")
    wait_until(lambda: any("frame " in str(output) for output in job.outputs()))
    page.studio.sessions.close(client.session_hash)
    wait_until(lambda: session.run is not None and not session.run.is_active)
    wait_until(lambda: not session.folder.exists())


def test_runs_wait_for_each_other(
    page: Page, visit: Callable[[], Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cpabmm_cli.web import studio

    active, most = 0, 0
    lock = threading.Lock()
    render = animate_file

    def counted(*arguments: Any, **options: Any) -> AnimationReport:  # noqa: ANN401
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        try:
            return render(*arguments, **options)
        finally:
            with lock:
                active -= 1

    monkeypatch.setattr(studio, "animate_file", counted)
    clients = [visit() for _ in range(3)]
    path = write_video(tmp_path / "a.mp4", 5)
    for client in clients:
        choose(client, driving=path)
    with ThreadPoolExecutor() as pool:
        run = [
            pool.submit(partial(client.predict, *SETTINGS, api_name="/animate"))
            for client in clients
        ]
        assert all("5 frames" in each.result()[0] for each in run)
    assert most == 1


def test_files_of_the_server_are_not_readable(page: Page, tmp_path: Path) -> None:
    near, far = page.studio.folder.parent / "cpabmm-near.txt", tmp_path / "far.txt"
    link = page.studio.folder / "samples" / "link.txt"
    link.symlink_to(near)
    names = [
        *map(str, (near, far, link, Path(__file__), page.studio.folder / "samples")),
        *("/etc/passwd", "../" * 20 + "etc/passwd", "."),
        f"{page.studio.folder}/../{near.name}",
        f"file://{far}",
    ]
    names += [quote(name, safe="") for name in names]
    try:
        for path in (near, far):
            path.write_text("root: private content")
        for name in names:
            for route in ("gradio_api/file=", "file=", "gradio_api/file/", "static/", "assets/"):
                connection = HTTPConnection(page.url.removeprefix("http://"), timeout=10)
                connection.request("GET", f"/{route}{name}")  # as it is: clients would shorten ..
                answer = connection.getresponse()
                assert answer.status >= 400, (route, name)
                assert b"root:" not in answer.read()
                connection.close()
    finally:
        near.unlink()
        link.unlink()


@pytest.mark.parametrize("name", ["/upload_source", "/upload_driving"])
def test_only_uploads_are_opened(
    page: Page, visit: Callable[[], Client], tmp_path: Path, name: str
) -> None:
    client, other = visit(), visit()
    write_image(tmp_path / "private.png", np.zeros((32, 32, 3), np.uint8))
    choose(other, tmp_path / "private.png")
    [theirs] = page.studio.sessions.get(other.session_hash).folder.rglob("private.png")
    up = f"{page.studio.folder}/{'0' * 64}/../../private.png"
    url = "http://127.0.0.1/a"
    for path in ("/etc/passwd", str(tmp_path / "private.png"), str(theirs), up, url, "", "."):
        assert "is no upload" in str(client.predict(path, api_name=name)[-1]), path
    assert theirs.exists()


def test_large_uploads_are_refused(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpabmm_cli.web.guard.MAX_UPLOAD", 1000)
    files = {"files": ("a.png", b"x" * 100_000)}
    answer = requests.post(f"{page.url}/gradio_api/upload", files=files, timeout=10)
    assert answer.status_code == 413
    names = {path.name.partition("-")[0] for path in page.studio.folder.iterdir()}
    assert names <= {"samples", "session"}


def test_the_reference_frame_has_no_effect_in_other_modes(
    visit: Callable[[], Client], tmp_path: Path
) -> None:
    client = visit()
    choose(client, driving=write_video(tmp_path / "a.mp4", 3))
    status = client.predict("standard", "auto", *SETTINGS[2:], api_name="/animate")[0]
    assert "3 frames" in status
