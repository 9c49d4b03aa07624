"""Replace a trained model's splines by CPAB fits with several priors, and score each model.

    python tests/benchmarks/measure_swapped_priors.py runs/ablation --data-set puppets

Nothing is trained, so all models have the same keypoints and differ only in how their candidates
extend the motion of these.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from ablation.data_sets import BY_NAME as DATA_SETS  # noqa: E402
from ablation.scores import Scorer  # noqa: E402
from ablation.store import Key, Store  # noqa: E402
from ablation.training import model_file  # noqa: E402

from cpabmm_core import load_model  # noqa: E402
from cpabmm_core.models import AnimationModel, CpabMotion, with_cpab_motion  # noqa: E402

CELLS, FRAMES = 4, 4
"""Squares per side; frames of each video, the first of which is the source."""
LENGTH_SCALES = (0.2, 0.5, 1.0)
"""Length scales of the prior in sides of the frame."""


def main(
    runs: Annotated[Path, typer.Argument(help="Folder of an ablation with the row tps.")],
    data_set: Annotated[str, typer.Option(help="Data set of the run.")] = "puppets",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
) -> None:
    """Print a row of a table for the splines, and one for each prior."""
    torch.set_num_threads(1)
    store = Store(runs)
    splines = load_model(model_file(store, Key(data_set, "tps", seed)), device="cpu")
    scorer = Scorer(DATA_SETS[data_set], store.data(data_set), FRAMES)
    print("| fit | L1 / static | warped / static | best candidate / static |")
    print("|---|---:|---:|---:|")
    print_row("splines", scorer.score(splines))
    for length_scale in LENGTH_SCALES:
        print_row(f"length scale {length_scale:g}", scorer.score(swapped(splines, length_scale)))


def swapped(splines: AnimationModel, length_scale: float) -> AnimationModel:
    """Return the model with CPAB candidates of this prior."""
    model = with_cpab_motion(splines, cells=CELLS)
    assert isinstance(model.candidate_motion, CpabMotion)
    model.candidate_motion.length_scale = length_scale
    return model


def print_row(name: str, scores: dict[str, Any]) -> None:
    """Print the ratios of the sums over all videos."""
    pairs = (("l1", "still"), ("warped", "still_small"), ("best_candidate", "still_small"))
    ratios = [_total(scores, over) / _total(scores, under) for over, under in pairs]
    print(f"| {name} | {' | '.join(f'{ratio:.3f}' for ratio in ratios)} |", flush=True)


def _total(scores: dict[str, Any], metric: str) -> float:
    return sum(float(video["sums"][metric][0]) for video in scores["videos"])


if __name__ == "__main__":
    typer.run(main)
