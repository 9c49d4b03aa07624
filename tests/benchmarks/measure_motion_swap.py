"""Reconstruct test videos with a spline model that moves by splines, and by CPAB fits.

    python tests/benchmarks/measure_motion_swap.py CHECKPOINT DATA/test -o DIR
    cpabmm metrics DATA/test DIR/splines --keypoints puppets --identity puppets
    cpabmm metrics DATA/test DIR/cpab-8 --keypoints puppets --identity puppets

It prints L1 and that of the static baseline, and writes a folder of PNG frames per video.
"""

from pathlib import Path
from typing import Annotated

import typer

from cpabmm_core import load_model, reconstruct
from cpabmm_core.inference import FrameErrors, score_set, score_video
from cpabmm_core.media import create_frame_folder, list_clips, open_clip
from cpabmm_core.models import AnimationModel, with_cpab_motion

CELLS = (4, 8)


def main(
    checkpoint: Annotated[str, typer.Argument(help="A model with spline motion.")],
    videos: Annotated[Path, typer.Argument(help="Folder of test videos.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
) -> None:
    """Reconstruct the videos with each motion."""
    splines = load_model(checkpoint, device="cpu")
    models = {"splines": splines}
    models |= {f"cpab-{cells}": with_cpab_motion(splines, cells=cells) for cells in CELLS}
    for name, model in models.items():
        (output / name).mkdir(parents=True)
        scores = [
            score_video(reconstruct_clip(model, clip, output / name / clip.stem))
            for clip in list_clips(videos)
        ]
        score = score_set(scores)
        typer.echo(f"{name}: L1 {score.l1:.5f}, static baseline {score.standing_still:.5f}")


def reconstruct_clip(model: AnimationModel, path: Path, output: Path) -> list[FrameErrors]:
    clip = open_clip(path)
    errors = []
    with create_frame_folder(output) as writer:
        for frame in reconstruct(model, clip.read(range(len(clip)))):
            writer.write(frame.generated)
            errors.append(frame.errors)
    return errors


if __name__ == "__main__":
    typer.run(main)
