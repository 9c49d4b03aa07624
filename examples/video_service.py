r"""A web service that sends an animation as MP4 while it is rendered.

python examples/video_service.py --port 8000
curl -F source=@examples/source.png -F driving=@examples/driving.mp4 \
    http://127.0.0.1:8000/animate -o animated.mp4

The answer is a fragmented MP4 without sound: a player can start before the last frame is rendered.
One animation is rendered at a time; others wait. A client that goes away ends its animation. The
service needs Starlette, which Gradio brings: pip install 'cpabmm[app]'
"""

import threading
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import av
import numpy as np
import typer
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cpabmm_core import Animator, errors, load_model
from cpabmm_core.inference import AnimationStream
from cpabmm_core.media import DrivingFrames, open_driving, open_source
from cpabmm_core.visualize import Picture

app = typer.Typer(add_completion=False)

_MOST_BYTES = 64 * 2**20
_FRAGMENTS = {
    "movflags": "empty_moov+default_base_moof",  # readable from the start, without an index
    "frag_duration": "200000",  # microseconds
    "flush_packets": "1",
}
_CODEC = {"preset": "veryfast", "tune": "zerolatency"}


@app.command()
def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    checkpoint: Annotated[str, typer.Option(help="Name or path of a model.")] = "puppets",
) -> None:
    """Serve until Ctrl-C."""
    animator = Animator(load_model(checkpoint, device="auto"), precision="auto")
    uvicorn.run(create_service(animator), host=host, port=port)


def create_service(animator: Animator) -> Starlette:
    """Return a service with the address ``/animate``, which takes a source and a driving video."""
    turn = threading.Lock()

    async def animate(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            return PlainTextResponse(f"send at most {_MOST_BYTES} bytes in one piece", 413)
        async with request.form(max_files=2, max_fields=0) as form:
            uploads = [form.get(name) for name in ("source", "driving")]
            files = [each.file.read() for each in uploads if isinstance(each, UploadFile)]
        if len(files) < 2:
            return PlainTextResponse("send the files source and driving", 422)
        pieces = render(animator, turn, *files)
        try:  # with the first piece, everything has been checked
            first = await run_in_threadpool(next, pieces)
        except errors.CpabmmError as error:
            return PlainTextResponse(str(error), 422)
        return StreamingResponse(send(first, pieces), media_type="video/mp4")

    async def send(first: bytes, others: Generator[bytes]) -> AsyncIterator[bytes]:
        piece: bytes | None = first
        try:
            while piece is not None:
                yield piece
                piece = await run_in_threadpool(next, others, None)
        finally:  # the end, or the client has gone away
            others.close()

    return Starlette(routes=[Route("/animate", animate, methods=["POST"])])


def render(
    animator: Animator, turn: threading.Lock, source: bytes, driving: bytes
) -> Generator[bytes]:
    """Yield the pieces of the animation. Closing the iterator ends it and deletes the files."""
    with turn, ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="video-service-")))
        (folder / "source").write_bytes(source)  # the content tells what a file is, not its name
        (folder / "driving").write_bytes(driving)
        with open_source(folder / "source") as picture:
            stream = animator.stream(picture.first)
        video = stack.enter_context(open_driving(folder / "driving"))

        yield from encode(animated(stream, video), video.frame_rate, video.time_base)


def animated(stream: AnimationStream, video: DrivingFrames) -> Iterator[tuple[Picture, int]]:
    """Yield each animated frame with the timestamp of its driving frame."""
    times: deque[int] = deque()
    for frame in video:
        times.append(frame.pts)
        for picture in stream.push(frame.image, float(frame.pts * video.time_base)):
            yield picture, times.popleft()
    for picture in stream.flush():
        yield picture, times.popleft()


def encode(
    frames: Iterable[tuple[Picture, int]], frame_rate: Fraction, time_base: Fraction
) -> Iterator[bytes]:
    """Encode frames, and yield the file piece by piece as it grows."""
    pieces = Pieces()
    with av.open(pieces, "w", format="mp4", options=_FRAGMENTS) as container:
        stream = container.add_stream("libx264", rate=frame_rate, options=_CODEC)
        stream.codec_context.time_base = time_base
        for picture, time in frames:
            height, width = (side - side % 2 for side in picture.shape[:2])  # H.264 needs even ones
            if not stream.codec_context.is_open:
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]))
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
            yield from pieces.take()
        container.mux(stream.encode())
    yield from pieces.take()


class Pieces:
    """A file that FFmpeg writes, from start to end."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep some bytes."""
        self._waiting.append(bytes(data))
        return len(data)

    def take(self) -> list[bytes]:
        """Return what was written since the last call."""
        taken, self._waiting = self._waiting, []
        return taken


if __name__ == "__main__":
    app()
