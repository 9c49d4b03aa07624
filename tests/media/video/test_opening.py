"""A file never makes the program open another file, an address or a socket."""

import ast
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import av
import pytest
from _helpers.media_files import number_of, write_test_video
from _helpers.odd_files.opening import (
    NO_VIDEOS,
    make_concat_script,
    make_dash_manifest,
    make_hls_playlist,
    make_reference_movie,
    make_sdp,
    make_text,
    make_video_named_as_text,
)
from _helpers.web_server import serve

import cpabmm_cli
import cpabmm_core
from cpabmm_core.errors import CpabmmError, DataError, MediaError
from cpabmm_core.media import open_clip, open_frames, read_source
from cpabmm_core.media.lossless import is_lossless
from cpabmm_core.media.video import FrameIndex, VideoReader, opening

READERS: dict[str, Callable[[Path], object]] = {
    "VideoReader": VideoReader,
    "FrameIndex": FrameIndex,
    "read_source": read_source,
    "open_clip": open_clip,
    "open_frames": open_frames,
}
_watching: list[list[str]] = []


def _note_opening(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("open", "socket.connect", "socket.bind"):
        for opened in _watching:
            opened.append(str(arguments[0]))


sys.addaudithook(_note_opening)  # it stays for good, so it is added once


@pytest.fixture
def python_opens() -> Iterator[list[str]]:
    """Everything that Python opens during a test."""
    opened: list[str] = []
    _watching.append(opened)
    yield opened
    _watching.clear()


@pytest.fixture
def unrecognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every content reach FFmpeg, whose own limits are then tested."""
    monkeypatch.setattr(opening, "describe_no_video", lambda _: None)


@pytest.mark.parametrize("name", NO_VIDEOS)
def test_what_is_no_video_is_refused_within_a_second(tmp_path: Path, name: str) -> None:
    make, trouble = NO_VIDEOS[name]
    path = tmp_path / name
    make(path)
    for reader in READERS.values():
        started = time.perf_counter()
        with pytest.raises((MediaError, DataError)) as caught:
            reader(path)
        assert time.perf_counter() - started < 1.5
        message = str(caught.value)
        assert message.startswith(f"{path}: {trouble}")
        assert "; " in message
        assert "\n" not in message
        assert len(message) < len(str(path)) + 200


@pytest.mark.parametrize("name", NO_VIDEOS)
@pytest.mark.usefixtures("unrecognised")
def test_what_is_no_video_is_refused_by_ffmpeg_as_well(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    NO_VIDEOS[name][0](path)
    started = time.perf_counter()
    with pytest.raises(MediaError) as caught:
        VideoReader(path)
    assert time.perf_counter() - started < 1.5
    assert str(caught.value).startswith(f"{path}: ")


def bait(folder: Path, url: str) -> list[Path]:
    """Write files that name an existing video, by each way of naming and under each guise."""
    whole = write_test_video(folder / "part.ts", frames=3)
    write_test_video(folder / "part.mov", frames=3)
    makers: dict[str, Callable[[Path], None]] = {
        "http.m3u8": lambda path: make_hls_playlist(path, f"{url}/part.ts"),
        "http.mov": lambda path: make_hls_playlist(path, f"{url}/part.ts"),
        "file.mov": lambda path: make_hls_playlist(path, f"file://{whole}"),
        "relative.m3u8": lambda path: make_hls_playlist(path, "part.ts"),
        "concat.ffconcat": make_concat_script,
        "concat.mp4": make_concat_script,
        "dash.mpd": lambda path: make_dash_manifest(path, f"{url}/part.ts"),
        "dash.mkv": lambda path: make_dash_manifest(path, f"{url}/part.ts"),
        "reference.mov": make_reference_movie,
    }
    for name, make in makers.items():
        make(folder / name)
    return [folder / name for name in makers]


@pytest.mark.parametrize("recognised", [True, False])
def test_nothing_else_is_opened(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    python_opens: list[str],
    recognised: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    if not recognised:
        monkeypatch.setattr(opening, "describe_no_video", lambda _: None)
    others: list[tuple[str, set[str]]] = []
    refused: list[str] = []
    with serve(b"") as server:
        for path in bait(tmp_path, server.url):
            for reader in READERS.values():
                python_opens.clear()
                try:
                    reader(path)
                except CpabmmError as error:
                    refused.append(str(error))
                else:
                    others.append((path.name, {"read"}))
                also = {*python_opens} - {str(path)}
                if also:
                    others.append((path.name, also))
        requests = server.requests
    assert others == []
    assert len(refused) == 9 * len(READERS)
    assert requests == 0


@pytest.mark.parametrize("make", [make_hls_playlist, make_concat_script])
def test_a_file_next_to_it_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., None]
) -> None:
    """Whoever opens a pipe without a writer waits for one, so that reading would not return."""
    os.mkfifo(tmp_path / "part.ts")
    path = tmp_path / "a.mp4"
    make(path, "part.ts")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "describe_no_video", lambda _: None)

    def read() -> None:
        with pytest.raises(MediaError):
            VideoReader(path)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


def test_the_bait_is_taken_without_the_limits(tmp_path: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    with serve(b"") as server:
        make_hls_playlist(tmp_path / "a.m3u8", f"{server.url}/part.ts")
        with (tmp_path / "a.m3u8").open("rb") as file, suppress(av.FFmpegError):
            av.open(file).close()
        requests = server.requests
    assert requests > 0
    write_test_video(tmp_path / "part.mov", frames=3)
    make_concat_script(tmp_path / "a.mp4", "part.mov")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.format.name == "concat"
        assert len(list(container.decode(video=0))) == 3


@pytest.mark.usefixtures("unrecognised")
def test_a_session_description_opens_no_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    make_sdp(tmp_path / "a.sdp", port)
    make_sdp(tmp_path / "a.avi", port)
    stopped = threading.Event()
    seen: list[str] = []
    table = Path("/proc/self/net/udp")

    def watch() -> None:
        while not stopped.is_set():
            if table.exists() and f":{port:04X} " in table.read_text():
                seen.append("open")

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    for name in ("a.sdp", "a.avi"):
        with pytest.raises(MediaError):
            VideoReader(tmp_path / name)
    took = time.perf_counter() - started
    stopped.set()
    watcher.join()
    assert took < 2  # a listener waits for ten seconds
    assert seen == []


def test_whatever_a_reader_asks_to_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds even for a reader on the list that would follow references."""
    make_reference_movie(tmp_path / "a.mov")
    write_test_video(tmp_path / "part.mov", frames=3)
    monkeypatch.chdir(tmp_path)
    options = {**opening._CLOSED, "enable_drefs": "1"}
    monkeypatch.setattr(opening, "_CLOSED", options)
    with pytest.raises(MediaError, match="refers to another file"):
        VideoReader("a.mov")
    with av.open("a.mov", container_options={"enable_drefs": "1"}) as container:  # the bait
        assert sum(packet.size for packet in container.demux()) > 0


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.m3u8", "a.sdp", "a.ffconcat", "a.srt", "a"])
def test_the_name_does_not_matter(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    make_video_named_as_text(path)
    assert [number_of(frame.image) for frame in VideoReader(path)] == [0, 1, 2]
    assert len(FrameIndex(path)) == 3
    assert not is_lossless(path)


def test_a_text_is_named_by_every_reader(tmp_path: Path) -> None:
    make_text(tmp_path / "notes.txt")
    for reader in (*READERS.values(), is_lossless):
        with pytest.raises(CpabmmError, match=r"notes\.txt: is a text file; give a video"):
            reader(tmp_path / "notes.txt")


def test_ffmpeg_reads_files_in_one_place_only() -> None:
    """All readers go through `open_media`; the other calls open outputs."""
    calls = []
    for package in (cpabmm_core, cpabmm_cli):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "av.open",
                    "InputContainer",
                    "av.container.open",
                ):
                    modes = [k.value for k in node.keywords if k.arg == "mode"] + node.args[1:2]
                    calls.append((path.name, *(ast.unparse(mode) for mode in modes)))
                assert not (
                    isinstance(node, ast.ImportFrom)
                    and node.module == "av"
                    and any(alias.name == "open" for alias in node.names)
                )
    assert [call for call in calls if call[1:] != ("'w'",)] == [("opening.py", "'r'")]
