"""Render `source.png` and `driving.mp4` next to this file: two puppets unseen in training.

python examples/render_examples.py
"""

from fractions import Fraction
from pathlib import Path

from cpabmm_core.media import VideoWriter, write_image
from cpabmm_core.puppets import render_puppet

SEED, SIZE, FRAMES, RATE = 2026, 192, 75, 25
SOURCE_INDEX, DRIVING_INDEX = 0, 11


def main() -> None:
    """Write both files, replacing existing ones."""
    folder = Path(__file__).parent
    source, driving = (
        render_puppet(
            SEED, index, split="test", frames=count, size=SIZE, body_plan="biped", motion="jump"
        )
        for index, count in ((SOURCE_INDEX, 1), (DRIVING_INDEX, FRAMES))
    )
    write_image(folder / "source.png", source.frames[0])
    path = folder / "driving.mp4"
    with VideoWriter(path, SIZE, SIZE, Fraction(RATE), Fraction(1, RATE)) as video:
        for number, frame in enumerate(driving.frames):
            video.write(frame, number)


if __name__ == "__main__":
    main()
