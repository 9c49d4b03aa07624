"""Spoil puppet videos in known ways, to see which metric tells which fault.

cpabmm preprocess puppets -o puppets --videos 1 --test-videos 20 --frames 32 --format strip
python examples/corrupt_videos.py puppets/test -o corrupted
cpabmm metrics puppets/test corrupted/shift
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cpabmm_core.media.clips import list_clips, open_clip
from cpabmm_core.media.image import write_image
from cpabmm_core.puppets import render_puppet

Frames = NDArray[np.uint8]  # (F, H, W, 3)
app = typer.Typer(add_completion=False)
SHIFT = 3  # pixels to the right
BLUR = 2.0  # standard deviation of the Gaussian, in pixels
BLACK = 4  # every fourth frame


@app.command()
def main(
    videos: Annotated[Path, typer.Argument(help="`test` of a set of puppets, as strips.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
) -> None:
    """Write the frames of each video to OUTPUT/CORRUPTION/NAME, and print OUTPUT/CORRUPTION."""
    paths = list_clips(videos) if videos.is_dir() else []
    if not paths:
        raise typer.BadParameter(f"{videos}: no puppet videos there")
    if output.exists():
        raise typer.BadParameter(f"{output}: is there already; delete it or give another folder")
    for path in paths:
        clip = open_clip(path)
        frames = np.stack(clip.read(range(len(clip))))
        truth = read_truth(path, frames)
        for name, corrupt in CORRUPTIONS.items():
            folder = output / name / path.stem
            folder.mkdir(parents=True)
            for number, frame in enumerate(corrupt(frames, truth)):
                write_image(folder / f"{number:05d}.png", frame)
    for name in CORRUPTIONS:
        typer.echo(output / name)


def read_truth(path: Path, frames: Frames) -> dict[str, Any]:
    """What the JSON file beside a video says, if the renderer still makes that video."""
    try:
        truth: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise typer.BadParameter(f"{path}: has no JSON beside it; only puppets do") from None
    if not np.array_equal(render(truth, frames=1)[0], frames[0]):
        raise typer.BadParameter(
            f"{path}: is not what is rendered now; make the set again, with --format strip"
        )
    return truth


def render(truth: dict[str, Any], **changes: Any) -> Frames:  # noqa: ANN401
    """Render a video again, with changes."""
    names = ("seed", "index", "split", "frames", "size")
    return render_puppet(**{**{name: truth[name] for name in names}, **changes}).frames


def shift(frames: Frames, _: dict[str, Any]) -> Frames:
    """Move the picture; its first column fills the gap."""
    return np.pad(frames, ((0, 0), (0, 0), (SHIFT, 0), (0, 0)), "edge")[:, :, :-SHIFT]


def blur(frames: Frames, _: dict[str, Any]) -> Frames:
    """Blur each frame."""
    kernel = ImageFilter.GaussianBlur(BLUR)
    return np.stack([np.asarray(Image.fromarray(frame).filter(kernel)) for frame in frames])


def without_limb(_: Frames, truth: dict[str, Any]) -> Frames:
    """Leave out the limb whose end is visible in most frames."""
    ends = [name for name in truth["joint_names"] if name.endswith(("_hand", "_toe"))]
    seen = np.asarray(truth["visible"]).sum(0)
    end = max(ends, key=lambda name: seen[truth["joint_names"].index(name)])
    kind = "arm" if end.endswith("_hand") else "leg"
    return render(truth, hidden=[f"{end.rpartition('_')[0]}_{kind}"])


def as_another(_: Frames, truth: dict[str, Any]) -> Frames:
    """Give the body, which moves as before, the looks of the next video's character."""
    return render(truth, looks=truth["index"] + 1)


def black(frames: Frames, _: dict[str, Any]) -> Frames:
    """Black out every fourth frame."""
    spoilt = frames.copy()
    spoilt[BLACK - 1 :: BLACK] = 0
    return spoilt


CORRUPTIONS: dict[str, Callable[[Frames, dict[str, Any]], Frames]] = {
    "identical": lambda frames, _: frames,
    "shift": shift,
    "blur": blur,
    "limb": without_limb,
    "identity": as_another,
    "black": black,
}


if __name__ == "__main__":
    app()
