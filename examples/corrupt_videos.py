"""Apply known faults to puppet videos to see which metric detects which fault.

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

from cpabmm_core.media import list_clips, open_clip, write_image
from cpabmm_core.puppets import render_puppet

Frames = NDArray[np.uint8]  # (F, H, W, 3)
app = typer.Typer(add_completion=False)
SHIFT = 3  # pixels to the right
BLUR = 2.0  # standard deviation of the Gaussian, in pixels
BLACK = 4  # number of frames of which the last is black


@app.command()
def main(
    videos: Annotated[Path, typer.Argument(help="Folder test/ of a puppet data set, as strips.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
) -> None:
    """Write frames to OUTPUT/FAULT/NAME for each video, and print each OUTPUT/FAULT."""
    paths = list_clips(videos) if videos.is_dir() else []
    if not paths:
        raise typer.BadParameter(f"{videos}: contains no puppet videos")
    if output.exists():
        raise typer.BadParameter(f"{output}: already exists; delete it or choose another folder")
    for path in paths:
        clip = open_clip(path)
        frames = np.stack(clip.read(range(len(clip))))
        truth = read_truth(path, frames)
        for name, apply in FAULTS.items():
            folder = output / name / path.stem
            folder.mkdir(parents=True)
            for number, frame in enumerate(apply(frames, truth)):
                write_image(folder / f"{number:05d}.png", frame)
    for name in FAULTS:
        typer.echo(output / name)


def read_truth(path: Path, frames: Frames) -> dict[str, Any]:
    """Read the JSON file next to a video, and check that the renderer reproduces the video."""
    try:
        truth: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise typer.BadParameter(
            f"{path}: no JSON file next to it; only puppet videos have one"
        ) from None
    if not np.array_equal(render(truth, frames=1)[0], frames[0]):
        raise typer.BadParameter(
            f"{path}: differs from a new rendering; render the set again with --format strip"
        )
    return truth


def render(truth: dict[str, Any], **changes: Any) -> Frames:  # noqa: ANN401
    """Render a video again with changes."""
    names = ("seed", "index", "split", "frames", "size")
    return render_puppet(**{**{name: truth[name] for name in names}, **changes}).frames


def shift(frames: Frames, _: dict[str, Any]) -> Frames:
    """Shift frames to the right; the first column fills the gap."""
    return np.pad(frames, ((0, 0), (0, 0), (SHIFT, 0), (0, 0)), "edge")[:, :, :-SHIFT]


def blur(frames: Frames, _: dict[str, Any]) -> Frames:
    """Blur each frame."""
    kernel = ImageFilter.GaussianBlur(BLUR)
    return np.stack([np.asarray(Image.fromarray(frame).filter(kernel)) for frame in frames])


def remove_limb(_: Frames, truth: dict[str, Any]) -> Frames:
    """Remove the limb whose end is visible in most frames."""
    ends = [name for name in truth["joint_names"] if name.endswith(("_hand", "_toe"))]
    seen = np.asarray(truth["visible"]).sum(0)
    end = max(ends, key=lambda name: seen[truth["joint_names"].index(name)])
    kind = "arm" if end.endswith("_hand") else "leg"
    return render(truth, hidden=[f"{end.rpartition('_')[0]}_{kind}"])


def change_appearance(_: Frames, truth: dict[str, Any]) -> Frames:
    """Give the body the appearance of the next video's character."""
    return render(truth, looks=truth["index"] + 1)


def blacken(frames: Frames, _: dict[str, Any]) -> Frames:
    """Black out every fourth frame."""
    result = frames.copy()
    result[BLACK - 1 :: BLACK] = 0
    return result


FAULTS: dict[str, Callable[[Frames, dict[str, Any]], Frames]] = {
    "identical": lambda frames, _: frames,
    "shift": shift,
    "blur": blur,
    "limb": remove_limb,
    "identity": change_appearance,
    "black": blacken,
}


if __name__ == "__main__":
    app()
