"""Error and size of the clip formats, measured on rendered puppets.

python -m pytest -s tests/benchmarks/bench_clip_formats.py
"""

from fractions import Fraction
from pathlib import Path

import numpy as np

from cpabmm_core.data.preprocess.clip_writer import ClipFormat, ClipWriter
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.video import VideoWriter
from cpabmm_core.puppets import render_puppet

CLIPS, FRAMES, SIZE, RATE = 8, 64, 128, 25
TIME_BASE = Fraction(1, RATE)
FORMATS: tuple[ClipFormat, ...] = ("mp4", "png")


def write_formats(folder: Path, frames: np.ndarray) -> dict[str, Path]:
    """Write the frames as an ordinary video and in both clip formats."""
    folder.mkdir()
    paths = {"ordinary mp4": folder / "ordinary.mp4"}
    with VideoWriter(paths["ordinary mp4"], SIZE, SIZE, RATE, TIME_BASE) as ordinary:
        for pts, frame in enumerate(frames):
            ordinary.write(frame, pts)
    for name in FORMATS:
        path = paths[f"--format {name}"] = folder / ("clip.mp4" if name == "mp4" else "clip")
        with ClipWriter(path, SIZE, name, RATE, TIME_BASE) as writer:
            for pts, frame in enumerate(frames):
                writer.write(frame, pts)
    return paths


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))


def test_error_and_size(tmp_path: Path) -> None:
    errors: dict[str, list[float]] = {}
    sizes: dict[str, list[int]] = {}
    for index in range(CLIPS):
        frames = render_puppet(0, index, split="test", frames=FRAMES, size=SIZE).frames
        for name, path in write_formats(tmp_path / str(index), frames).items():
            read = np.stack(open_clip(path).read(range(FRAMES))).astype(float)
            errors.setdefault(name, []).append(float(np.abs(read - frames).mean()))
            sizes.setdefault(name, []).append(size_of(path))
    print("\n| format | mean absolute error, grey levels | KiB per clip |\n|---|---:|---:|")
    for name, found in errors.items():
        print(f"| {name} | {np.mean(found):.2f} | {np.mean(sizes[name]) / 1024:.0f} |")
    assert np.mean(errors["--format mp4"]) < np.mean(errors["ordinary mp4"])
    assert np.max(errors["--format png"]) == 0
