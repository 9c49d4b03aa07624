"""Where a training step spends its time, stage by stage.

    python tests/benchmarks/profile_training_step.py [CONFIG] [--set KEY=VALUE ...] [--operators N]

Prints the median time of a step, then a Markdown table from PyTorch's profiler: for each stage the
time of its forward pass, and that of its backward pass, which is found by the sequence numbers
that autograd gives to operators. The profiler itself costs a few per cent, so the stages are given
as shares too. With ``--operators`` a second table lists the operators that take most time.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile, record_function

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from _helpers.timed_steps import FULL_WIDTH, Steps, open_steps

from cpabmm_core.losses import objective as losses
from cpabmm_core.training import step as training_step
from cpabmm_core.training.step import TrainingStep

WARM_UP, REPEATS, PROFILED = 2, 5, 3
_PREFIX = "stage: "
_BACKWARD = "autograd::engine::evaluate_function: "
_OTHER = "everything else"


@contextmanager
def marked_stages(steps: Steps) -> Iterator[None]:
    """Mark the stages of the step for the profiler."""
    session = steps.step.session
    model, objective = session.model, session.accelerator.unwrap_model(session.objective)
    dense, generator = model.dense_motion, model.generator
    stages: list[tuple[Any, str, str]] = [
        (losses, "warp", "deformed frame"),
        (model, "keypoints", "keypoints"),
        (model, "background", "background"),
        (model, "candidate_motion", "candidate motions"),
        (dense, "hourglass", "dense motion: hourglass"),
        (dense, "forward", "dense motion: the rest"),
        (generator, "encode", "generator: encoder"),
        (generator, "render", "generator: decoder"),
        (objective.losses, "reconstruction", "loss: reconstruction"),
        (losses, "balance_loss", "loss: balance"),
        (losses, "warp_loss", "loss: warp"),
        (losses, "equivariance_loss", "loss: equivariance"),
        (losses, "background_loss", "loss: background"),
        (training_step, "clip_gradients", "clipping"),
        (session.optimizer, "step", "optimizer"),
        (session.optimizer, "zero_grad", "optimizer"),
        (training_step, "sample_step", "random choices"),
        (TrainingStep, "_forward", _OTHER),
    ]
    if session.average is not None:
        stages.append((session.average, "update", "moving average"))
    with ExitStack() as stack:
        for owner, name, stage in stages:
            stack.enter_context(_marked(owner, name, stage))
        yield


@contextmanager
def _marked(owner: Any, name: str, stage: str) -> Iterator[None]:  # noqa: ANN401
    original = getattr(owner, name)
    called = original.forward if isinstance(original, torch.nn.Module) else original

    def marked(*arguments: object, **options: object) -> object:
        with record_function(_PREFIX + stage):
            return called(*arguments, **options)

    if isinstance(original, torch.nn.Module):
        with patch.object(original, "forward", marked):
            yield
    elif isinstance(owner, type):  # a plain function in the class receives the instance
        with patch.object(owner, name, lambda *a, **o: marked(*a, **o)):
            yield
    elif callable(original) and not isinstance(original, torch.nn.Module):
        with patch.object(owner, name, marked) if name in vars(owner) or not isinstance(
            owner, torch.nn.Module
        ) else _instance_attribute(owner, name, marked):
            yield


@contextmanager
def _instance_attribute(owner: Any, name: str, value: Callable[..., Any]) -> Iterator[None]:  # noqa: ANN401
    vars(owner)[name] = value
    try:
        yield
    finally:
        del vars(owner)[name]


def stage_times(events: Any) -> dict[str, list[float]]:  # noqa: ANN401
    """Return the seconds of forward and backward pass of each stage, of all profiled steps."""
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    owner: dict[int, tuple[float, str]] = {}
    ordered = sorted(events, key=lambda event: event.time_range.start)
    for event in ordered:
        if event.name.startswith(_PREFIX):
            stage = event.name.removeprefix(_PREFIX)
            inner = sum(child.time_range.elapsed_us() for child in _nested(event))
            found[stage][0] += (event.time_range.elapsed_us() - inner) / 1e6
        elif event.sequence_nr >= 0 and not _inside(event, _BACKWARD):
            if event.name.startswith(_BACKWARD):
                continue
            owner[event.sequence_nr] = event.time_range.start, _stage(event)
    for event in ordered:
        if event.name.startswith(_BACKWARD) and not _inside(event, _BACKWARD):
            _, stage = owner.get(event.sequence_nr, (0.0, _OTHER))
            found[stage][1] += event.time_range.elapsed_us() / 1e6
    return found


def _nested(event: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the outermost stages within a stage."""
    for child in event.cpu_children:
        if child.name.startswith(_PREFIX):
            yield child
        else:
            yield from _nested(child)


def _inside(event: Any, prefix: str) -> bool:  # noqa: ANN401
    parent = event.cpu_parent
    while parent is not None:
        if parent.name.startswith(prefix):
            return True
        parent = parent.cpu_parent
    return False


def _stage(event: Any) -> str:  # noqa: ANN401
    parent = event.cpu_parent
    while parent is not None:
        if parent.name.startswith(_PREFIX):
            return str(parent.name.removeprefix(_PREFIX))
        parent = parent.cpu_parent
    return _OTHER


def profile_steps(steps: Steps, operators: int = 0) -> None:
    """Time steps, profile some, and print the tables."""
    for _ in range(WARM_UP):
        steps.take()
    taken = []
    for _ in range(REPEATS):
        start = perf_counter()
        steps.take()
        taken.append(perf_counter() - start)
    with marked_stages(steps), profile(activities=[ProfilerActivity.CPU]) as profiler:
        start = perf_counter()
        for _ in range(PROFILED):
            steps.take()
        total = (perf_counter() - start) / PROFILED
    median = statistics.median(taken)
    print(f"{median:.4f} s a step, {1 / median:.3f} steps/s; with the profiler {total:.4f} s\n")
    found = stage_times(profiler.events())
    rest = total - sum(map(sum, found.values())) / PROFILED
    found[_OTHER][0] += rest * PROFILED
    print("| stage | forward, ms | backward, ms | share |\n|---|---:|---:|---:|")
    for stage, times in sorted(found.items(), key=lambda item: -sum(item[1])):
        ahead, back = (1e3 * seconds / PROFILED for seconds in times)
        print(f"| {stage} | {ahead:.1f} | {back:.1f} | {(ahead + back) / total / 10:.1f} % |")
    if operators:
        averages = profiler.key_averages()
        print()
        print(
            averages.table(
                sort_by="self_cpu_time_total", row_limit=operators, max_name_column_width=60
            )
        )


def main() -> None:
    """Read the options and profile."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", nargs="?", default="puppets-64")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--operators", type=int, default=0, metavar="N")
    options = parser.parse_args()
    small = options.config.startswith("puppets")
    with open_steps(options.config, [*(() if small else FULL_WIDTH), *options.set]) as steps:
        threads, size = torch.get_num_threads(), tuple(steps.batch.source.shape)
        print(f"{options.config}, frames {size}, {threads} threads, torch {torch.__version__}")
        profile_steps(steps, options.operators)


if __name__ == "__main__":
    main()
