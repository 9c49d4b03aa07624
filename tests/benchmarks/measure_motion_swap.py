"""Reconstruct test videos with a model's own motion, and with other CPAB fits of its keypoints.

    python tests/benchmarks/measure_motion_swap.py CHECKPOINT DATA/test -o DIR
    cpabmm metrics DATA/test DIR/own --keypoints puppets --identity puppets
    cpabmm metrics DATA/test DIR/cpab-8 --keypoints puppets --identity puppets

The splines of a spline model are replaced; a CPAB model with a global transformation gets finer
tessellations. Nothing is trained. It prints L1 and that of the static baseline, and writes a folder
of PNG frames per video.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cpabmm_core import load_model, reconstruct
from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.inference import FrameErrors, score_set, score_video
from cpabmm_core.media import create_frame_folder, list_clips, open_clip
from cpabmm_core.models import AnimationModel, CpabMotion, with_cpab_motion

CELLS = (4, 8)
"""Squares per side that replace splines."""
FINER_CELLS = ((6, 8), (8, 12))
"""Squares per side of the groups' and of the global transformation of a CPAB model."""


def main(
    checkpoint: Annotated[str, typer.Argument(help="A model with spline or CPAB motion.")],
    videos: Annotated[Path, typer.Argument(help="Folder of test videos.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
) -> None:
    """Reconstruct the videos with each motion."""
    for name, model in variants(load_model(checkpoint, device="cpu")):
        (output / name).mkdir(parents=True)
        scores = [
            score_video(reconstruct_clip(model, clip, output / name / clip.stem))
            for clip in list_clips(videos)
        ]
        score = score_set(scores)
        typer.echo(f"{name}: L1 {score.l1:.5f}, static baseline {score.standing_still:.5f}")


def variants(model: AnimationModel) -> Iterator[tuple[str, AnimationModel]]:
    """Yield the model as it is, and then with other fits; each is valid until the next."""
    yield "own", model
    motion = model.candidate_motion
    if not isinstance(motion, CpabMotion):
        for cells in CELLS:
            yield f"cpab-{cells}", with_cpab_motion(model, cells=cells)
        return
    for cells, global_cells in FINER_CELLS:
        motion.local_space = VelocitySpace(Tessellation(cells, cells))
        motion.global_space = VelocitySpace(Tessellation(global_cells, global_cells))
        yield f"cpab-{cells}-{global_cells}", model


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
