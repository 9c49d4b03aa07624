"""Animate a picture with a camera, live.

python examples/webcam.py portrait.png                  # shows a window until Esc or Q
python examples/webcam.py portrait.png -o live.mp4      # writes a video until Ctrl-C

The first frame of the camera should show roughly the pose of the picture. The camera and the window
need OpenCV: pip install opencv-python.
"""

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from cpabmm_core import Animator, load_model
from cpabmm_core.media import VideoWriter, open_driving, read_image

app = typer.Typer(add_completion=False)

_EXAMPLE = Path(__file__).with_name("source.png")
_TIME_BASE = Fraction(1, 1000)


@app.command()
def main(
    source: Annotated[Path, typer.Argument(help="Picture to animate.")] = _EXAMPLE,
    driving: Annotated[str, typer.Option(help="Camera, or a video in its place.")] = "camera:0",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Video to write, in place of a window.")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Name or path of a model.")] = "puppets",
    size: Annotated[int | None, typer.Option(min=16, help="Longer side in pixels.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Number of frames.")] = None,
) -> None:
    """Show or write the animation and print the frames per second."""
    model = load_model(checkpoint, device="auto")
    # A batch of one frame has the least delay.
    animator = Animator(model, batch_size=1, precision="auto", size=size)
    began, count = monotonic(), 0
    with closing(_animated(animator, source, driving)) as animated:
        shown = _show(animated) if output is None else _write(animated, output)
        try:
            for _ in shown:
                count += 1
                if count == frames:
                    break
        except KeyboardInterrupt:  # the end of a camera, which has none of its own
            pass
        finally:
            shown.close()
    typer.echo(f"{count} frames, {count / (monotonic() - began):.1f} frames/s")
