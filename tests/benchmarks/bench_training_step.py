"""Time of one training step with CPAB and with TPS motion.

    python -m pytest -s tests/benchmarks/bench_training_step.py

A step includes losses and optimizer. The networks have their full width, and the reconstruction
loss is the pixel loss, which needs no weights. Frames are 256 x 256 in batches of 8 on a GPU, and
smaller on a CPU. The two families alternate, and their medians are compared.
"""

import statistics
from pathlib import Path
from time import perf_counter

import pytest
import torch

from cpabmm_core.config import load_config
from cpabmm_core.data.batches import Batch
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.session import open_session
from cpabmm_core.training.step import TrainingStep

ROUNDS = 5


@pytest.mark.usefixtures("all_cores")
def test_cpab_takes_at_most_15_per_cent_longer_than_tps(tmp_path: Path) -> None:
    from cpabmm_core.puppets import write_puppets

    cuda = torch.cuda.is_available()
    size, batch = (256, 8) if cuda else (128, 4)
    write_puppets(tmp_path, videos=4, test_videos=1, frames=8, size=size, seed=0, format="strip")
    changes = [
        f"data.frame_size={size}",
        f"training.batch_size={batch}",
        "losses.reconstruction_kind=pixel",
        "losses.semantic=0",
        "losses.structure=0",
        "training.trackers=[]",
        "training.candidate_dropout.maximum=0",
        # Estimate the flow of half-size frames at half their size instead of a quarter.
        f"model.dense_motion.scale_factor={0.25 if cuda else 0.5}",
    ]
    steps, batches = {}, {}
    for motion in ("tps", "cpab"):
        config = load_config("taichi-256", [*changes, f"model.motion={motion}"])
        device = "cuda" if cuda else "cpu"
        run = TrainingRun(config, tmp_path, tmp_path / motion, device=device, allow_download=False)
        session = open_session(run)
        steps[motion] = TrainingStep(session, RunFolder(run.out), run.reporter)
        batches[motion] = list(session.batches(0, 1)) * (ROUNDS + 1)

    times: dict[str, list[float]] = {motion: [] for motion in steps}
    for turn in range(ROUNDS + 1):
        for motion, step in steps.items():
            seconds = measure_step(step, batches[motion][turn], cuda)
            if turn:
                times[motion].append(seconds)
    tps, cpab = (statistics.median(times[motion]) for motion in ("tps", "cpab"))
    where = "GPU" if cuda else f"{torch.get_num_threads()} threads"
    print(
        f"\n{size} x {size}, batch {batch}, {where}: "
        f"TPS {1 / tps:.3f} steps/s, CPAB {1 / cpab:.3f} steps/s, {cpab / tps:.3f} times the time"
    )
    assert cpab < 1.15 * tps


def measure_step(step: TrainingStep, batch: Batch, cuda: bool) -> float:
    start = perf_counter()
    step.take(iter([batch]), 0)
    if cuda:
        torch.cuda.synchronize()
    return perf_counter() - start
