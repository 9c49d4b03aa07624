"""Print what becomes of odd files, as a table: ``python tests/odd_files_table.py [KIND ...]``.

The files are those of the tests, made in a temporary folder. Each row names a kind, a file, the
right outcome and the outcome seen. The exit code is 1 if a row differs.
"""

import argparse
import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _helpers.media_files import write_test_video
from _helpers.odd_files import display, folders, opening, pictures, pictures_other, sound
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cpabmm_core.errors import CpabmmError
from cpabmm_core.media import FrameIndex, VideoReader
from cpabmm_core.media.image import read_image

_ROOT = Path(__file__).parents[1]
_MEASURE = """
import resource, sys
from cpabmm_core.media import read_source
shape = read_source(sys.argv[1]).shape
print(shape[1], "x", shape[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 2**20)
"""


class Row(NamedTuple):
    """A line of the table."""

    file: str
    wanted: str
    """A regular expression that the whole outcome must match."""
    seen: str


def cpabmm(*arguments: str | Path, **environment: str) -> str:
    """Run a command; return its exit code and the last line of stderr."""
    run = subprocess.run(
        [sys.executable, "-m", "cpabmm_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    lines = run.stderr.strip().splitlines()
    return f"{run.returncode}: {lines[-1] if lines else ''}"


def animate(folder: Path, source: Path, driving: Path, **environment: str) -> str:
    """Animate with the smallest possible output; name temporary files that stay."""
    before = set(folder.iterdir())
    output = folder / "out.mp4"
    seen = cpabmm("animate", source, driving, "-o", output, "-f", **environment)
    left = {path.name for path in folder.iterdir()} - {path.name for path in before} - {"out.mp4"}
    return seen + "".join(f" LEFT {name}" for name in sorted(left))


def side_data(folder: Path) -> Iterator[Row]:
    """01: frame data without a name in PyAV changes nothing."""
    still, camera, photo = folder / "s.png", folder / "camera.avi", folder / "photo.jpg"
    opening.make_camera_avi(camera)
    opening.make_photo(photo)
    for driving in (camera, photo):
        yield Row(driving.name, "0: .*", animate(folder, still, driving))
    yield Row("photo.jpg as SOURCE", "0: .*", animate(folder, photo, photo))
    yield Row("camera.avi, metrics", "0: .*", cpabmm("metrics", camera, camera))
    for part in ("train", "test"):
        (folder / "data" / part).mkdir(parents=True)
        opening.make_camera_avi(folder / "data" / part / "camera.avi")
    options: list[str | Path] = ["--data", folder / "data", "--config", "puppets-64", "--dry-run"]
    options += ["--device", "cpu", "--out", folder / "run"]
    yield Row("camera.avi, train", "0: .*", cpabmm("train", *options))


def sound_tracks(folder: Path) -> Iterator[Row]:
    """02 and 08: no sound ends a run."""
    for make, name, wanted in (
        (sound.make_film_order, "film_order.mov", "0: running .*"),
        (sound.make_announced, "announced.ts", "0: .*announced.ts: its sound is left out .*"),
        (sound.make_equal_times, "equal.mkv", "0: running .*"),
        (sound.make_backward_times, "backward.mkv", "0: running .*"),
        (sound.make_unknown_codec, "unknown.avi", "0: .*unknown.avi: its sound is left out .*"),
    ):
        make(folder / name)
        yield Row(name, wanted, animate(folder, folder / "s.png", folder / name))


def heic(folder: Path) -> Iterator[Row]:
    """03: a photo of tiles is the whole picture, or one line says what to install."""
    path = folder / "tiles.heic"
    pictures_other.make_tiled_heic(path)
    error = np.abs(read_image(path).astype(float) - pictures_other.LARGE).mean()
    yield Row("tiles.heic", "mean error 0.*|mean error 1.*", f"mean error {error:.2f}")
    (folder / "without").mkdir()
    (folder / "without" / "pillow_heif.py").write_text("raise ImportError", encoding="utf-8")
    seen = animate(folder, path, path, PYTHONPATH=f"{folder / 'without'}{os.pathsep}{_ROOT}")
    yield Row("the same without the extra", r"3: .*pip install 'cpabmm\[heif\]'.*", seen)


def no_videos(folder: Path) -> Iterator[Row]:
    """04 and 05: a text is no video, and a file opens no other."""
    (folder / "part.ts").write_bytes(b"")
    with server(folder) as (url, requests):
        for name, make in (
            ("notes.txt", opening.make_text),
            ("notes.mp4", opening.make_text),
            ("net.m3u8", lambda path: opening.make_hls_playlist(path, url)),
            ("net.mp4", lambda path: opening.make_hls_playlist(path, url)),
            ("file.m3u8", lambda p: opening.make_hls_playlist(p, f"file://{folder}/part.ts")),
            ("concat.mp4", opening.make_concat_script),
            ("manifest.mpd", lambda path: opening.make_dash_manifest(path, url)),
            ("session.sdp", opening.make_sdp),
        ):
            make(folder / name)
            wanted = rf"3: error: .*{name}: (is|describes) .*; .*; 0 requests"
            seen = animate(folder, folder / "s.png", folder / name)
            yield Row(name, wanted, f"{seen}; {len(requests)} requests")


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve on a local port and note the requests."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/{folder.name}.ts", requests
    finally:
        listening.shutdown()


def frames(folder: Path) -> Iterator[Row]:
    """07 and 12, odd times and empty frames: readers agree, and times begin at zero."""
    sizes = {"wide-pixels.mp4": "128 x 128", "tall-pixels.mkv": "128 x 128", "dvd.mpg": "90 x 68"}
    for name, (make, count) in display.READABLE.items():
        path = folder / name
        make(path)
        with VideoReader(path) as reader:
            read = list(reader)
            start = float(read[0].pts * reader.time_base)
            size = f"{reader.width} x {reader.height}"
        white = f", corner {read[0].image[2, 2]}" if name.startswith("transparent") else ""
        begins = "2.0" if name.startswith("sound-before") else "0.0"
        wanted = f"{sizes.get(name, '.*')}, {count} = {count} frames, from {begins} s"
        wanted += r", corner \[255 255 255\]" if white else ""
        seen = f"{size}, {len(read)} = {len(FrameIndex(path))} frames, from {start} s{white}"
        yield Row(name, wanted, seen)


def images(folder: Path) -> Iterator[Row]:
    """10: pictures look right, or one line says why they are refused."""
    for odd in pictures.ODD_PICTURES:
        path = folder / odd.name
        odd.make(path)
        if odd.looks is None:
            try:
                read_image(path)
                seen = "read"
            except CpabmmError as error:
                seen = str(error)
            yield Row(odd.name, f".*{odd.name}: .*{odd.trouble}.*", seen)
            continue
        difference = np.abs(read_image(path).astype(float) - odd.looks).mean()
        wanted = f"within {odd.tolerance}"
        seen = wanted if difference <= odd.tolerance else f"{difference:.2f}"
        yield Row(odd.name, re.escape(wanted), seen)


def big_photos(folder: Path) -> Iterator[Row]:
    """11: large photos are read within 2 GB and without a warning."""
    for size, shown in (((12000, 9000), "6000 x 4500"), ((16320, 12240), "8160 x 6120")):
        path = folder / f"{size[0]}.jpg"
        Image.new("RGB", size, "teal").save(path, quality=30)
        run = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=False
        )
        seen = " ".join((run.stdout + run.stderr).split())
        yield Row(path.name, f"{shown} True", seen)


def names(folder: Path) -> Iterator[Row]:
    """14: a name that stdout cannot encode never fails a run."""
    source = folder / "动画.png"
    Image.new("RGB", (64, 64), "teal").save(source)
    for encoding in ("cp1252", "ascii"):
        seen = animate(folder, source, source, PYTHONIOENCODING=encoding)
        yield Row(f"动画.png under {encoding}", "0: .*", seen)
    folders.make_mixed_folder(folder / "mixed")
    seen = cpabmm("metrics", folder / "mixed", folder / "mixed")
    yield Row("mixed folder", r"0: .*", seen)


KINDS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "side-data": side_data,
    "sound": sound_tracks,
    "heic": heic,
    "no-video": no_videos,
    "frames": frames,
    "images": images,
    "big-photos": big_photos,
    "names": names,
}


def main() -> int:
    """Print the table of the chosen kinds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], metavar="KIND")
    chosen = parser.parse_args().kinds or list(KINDS)
    os.environ["PYTHONPATH"] = str(_ROOT)
    table = Table("", "kind", "file", "outcome")
    wrong = 0
    for kind in chosen:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            Image.new("RGB", (64, 64), "teal").save(folder / "s.png")
            write_test_video(folder / "d.mp4", frames=3)
            for row in KINDS[kind](folder):
                right = re.fullmatch(row.wanted, row.seen) is not None
                wrong += not right
                seen = row.seen.replace(f"{folder}/", "")
                mark = "ok" if right else "WRONG"
                cell = seen if right else f"{seen}\n({row.wanted})"
                table.add_row(mark, kind, escape(row.file), escape(cell))
    console = Console(width=150)
    console.print(table)
    console.print(f"{wrong} of {table.row_count} outcomes are wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
