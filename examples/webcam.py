"""Animate a picture with a camera, live, in a window or into a video.

python examples/webcam.py                                # until the window is closed
python examples/webcam.py portrait.png -o live.mp4       # until Ctrl-C

The first frame of the camera should show roughly the pose of the picture. A camera needs OpenCV:
pip install 'cpabmm[camera]'
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from cpabmm_core import Animator, load_model
from cpabmm_core.media import DrivingFrames, VideoWriter, open_driving, read_image
from cpabmm_core.visualize import Picture

app = typer.Typer(add_completion=False)

_EXAMPLE = Path(__file__).with_name("source.png")
_Sink = Callable[[Picture, int], bool]
"""Takes a picture with its timestamp; False if it is the last one."""


@app.command()
def main(
    source: Annotated[Path, typer.Argument(help="Picture to animate.")] = _EXAMPLE,
    driving: Annotated[str, typer.Option(help="Camera, or a video in its place.")] = "camera:0",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Video to write, in place of a window.")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Name or path of a model.")] = "puppets",
    frames: Annotated[int | None, typer.Option(min=1, help="Number of frames.")] = None,
) -> None:
    """Show or write the animation and print the frames per second."""
    animator = Animator(
        load_model(checkpoint, device="auto"),
        precision="auto",
        batch_size=1,  # the least delay: every frame is rendered when it comes
    )
    began, count = monotonic(), 0
    with ExitStack() as stack:
        camera = stack.enter_context(open_driving(driving))
        animated = animate(animator, read_image(source), camera)
        sink: _Sink | None = None
        try:
            for count, (picture, time) in enumerate(animated, 1):
                if sink is None:
                    sink = window() if output is None else video(stack, output, camera, picture)
                if not sink(picture, time) or count == frames:
                    break
        except KeyboardInterrupt:  # a camera has no end of its own
            pass
    typer.echo(f"{count} frames, {count / (monotonic() - began):.1f} frames/s")


def animate(
    animator: Animator, source: Picture, camera: DrivingFrames
) -> Iterator[tuple[Picture, int]]:
    """Yield each animated frame with the timestamp of its camera frame."""
    stream = animator.stream(source)
    for frame in camera:
        [picture] = stream.push(frame.image, float(frame.pts * camera.time_base))
        yield picture, frame.pts


def window() -> _Sink:
    """Open a window."""
    import tkinter as tk  # not part of every Python

    from PIL import Image, ImageTk

    root = tk.Tk()
    root.title("cpabmm")
    label = tk.Label(root)
    label.pack()
    is_open = True

    def close() -> None:
        nonlocal is_open
        is_open = False

    def show(picture: Picture, time: int) -> bool:
        photo = ImageTk.PhotoImage(Image.fromarray(picture))
        label.configure(image=photo)
        root.update()  # until it returns, `photo` must exist
        vars(label)["photo"] = photo
        return is_open

    root.protocol("WM_DELETE_WINDOW", close)
    return show


def video(stack: ExitStack, path: Path, camera: DrivingFrames, first: Picture) -> _Sink:
    """Create a video, which is finished when the stack ends."""
    height, width = first.shape[:2]
    writer = stack.enter_context(
        VideoWriter(path, width, height, camera.frame_rate, camera.time_base)
    )

    def write(picture: Picture, time: int) -> bool:
        writer.write(picture, time)
        return True

    return write


if __name__ == "__main__":
    app()
