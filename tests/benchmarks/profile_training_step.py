"""Where a training step spends its time, stage by stage.

    python tests/benchmarks/profile_training_step.py [CONFIG] [--set KEY=VALUE ...] [--plain]
        [--operators N] [--changes]

Prints the median time of a step, then a Markdown table from PyTorch's profiler: for each stage the
time of its forward pass, and that of its backward pass, which is found by the sequence numbers that
autograd gives to operators. The profiler costs a few per cent, so the stages are given as shares
too. With ``--plain`` the step has its plain form, with PyTorch's own operators. With
``--operators`` a second table lists the operators that take most time. ``--changes`` prints instead
how much each change alone speeds up the plain step.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from _helpers.plain_step import PLAIN, plain_step  # noqa: E402
from _helpers.timed_steps import FULL_WIDTH, Steps, open_steps  # noqa: E402
from benchmarks._report import alternate, describe_machine  # noqa: E402

from cpabmm_core.losses import objective as losses  # noqa: E402
from cpabmm_core.training import step as training_step  # noqa: E402

PROFILED = 3
_PREFIX = "stage: "
_BACKWARD = "autograd::engine::evaluate_function: "
_OTHER = "everything else"


def marked_stages(steps: Steps) -> ExitStack:
    """Mark the stages of the step for the profiler until the stack is closed."""
    session = steps.step.session
    model, objective = session.model, session.accelerator.unwrap_model(session.objective)
    dense, generator = model.dense_motion, model.generator
    stages: list[tuple[Any, str, str]] = [
        (steps, "read", "data"),
        (steps.step, "_forward", _OTHER),
        (training_step, "sample_step", "random choices"),
        (losses, "warp", "deformed frame"),
        (model, "keypoints", "keypoints"),
        (model, "background", "background"),
        (type(model.candidate_motion), "__call__", "candidate motions"),
        (dense, "forward", "dense motion: the rest"),
        (dense.hourglass, "forward", "dense motion: hourglass"),
        (generator, "encode", "generator: encoder"),
        (generator, "render", "generator: decoder"),
        (objective.losses.reconstruction, "forward", "loss: reconstruction"),
        (losses, "balance_loss", "loss: balance"),
        (losses, "warp_loss", "loss: warp"),
        (losses, "equivariance_loss", "loss: equivariance"),
        (losses, "background_loss", "loss: background"),
        (training_step, "clip_gradients", "clipping"),
        (session.optimizer, "step", "optimizer"),
        (session.optimizer, "zero_grad", "optimizer"),
    ]
    if session.average is not None:
        stages.append((session.average, "update", "moving average"))
    stack = ExitStack()
    for owner, name, stage in stages:
        stack.enter_context(_marked(owner, name, stage))
    return stack


@contextmanager
def _marked(owner: Any, name: str, stage: str) -> Iterator[None]:  # noqa: ANN401
    """Let an attribute that can be called announce its stage."""
    called, own = getattr(owner, name), name in vars(owner)

    def marked(*arguments: object, **options: object) -> object:
        with record_function(_PREFIX + stage):
            return called(*arguments, **options)

    setattr(owner, name, marked)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, called)
        else:
            delattr(owner, name)


def stage_times(events: Any) -> dict[str, list[float]]:  # noqa: ANN401
    """Return the seconds of forward and backward pass of each stage, of all profiled steps."""
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    owner: dict[int, str] = {}
    ordered = sorted(events, key=lambda event: event.time_range.start)
    for event in ordered:
        seconds = event.time_range.elapsed_us() / 1e6
        if event.name.startswith(_PREFIX):
            inner = sum(child.time_range.elapsed_us() for child in _nested(event)) / 1e6
            found[event.name.removeprefix(_PREFIX)][0] += seconds - inner
        elif _parent(event, _BACKWARD) is not None:
            continue
        elif not event.name.startswith(_BACKWARD):
            # The last operator with a number is the one that recorded a backward pass.
            owner[event.sequence_nr] = _stage(event)
        else:
            found[owner.get(event.sequence_nr, _OTHER)][1] += seconds
    return found


def _nested(event: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the outermost stages within a stage."""
    for child in event.cpu_children:
        if child.name.startswith(_PREFIX):
            yield child
        else:
            yield from _nested(child)


def _stage(event: Any) -> str:  # noqa: ANN401
    return (_parent(event, _PREFIX) or _PREFIX + _OTHER).removeprefix(_PREFIX)


def _parent(event: Any, prefix: str) -> str | None:  # noqa: ANN401
    """Return the name of the innermost event around this one whose name begins so."""
    parent = event.cpu_parent
    while parent is not None:
        if parent.name.startswith(prefix):
            return str(parent.name)
        parent = parent.cpu_parent
    return None


def profile_steps(steps: Steps, operators: int) -> None:
    """Time steps, profile some, and print the tables."""
    (median,) = alternate([steps.take], warm_up=2)
    with marked_stages(steps), profile(activities=[ProfilerActivity.CPU]) as profiler:
        start = perf_counter()
        for _ in range(PROFILED):
            steps.read()
            steps.take()
        total = (perf_counter() - start) / PROFILED
    print(f"{median:.3f} s a step, {1 / median:.3f} steps/s; profiled, with data: {total:.3f} s\n")
    found = stage_times(profiler.events())
    found[_OTHER][0] += total * PROFILED - sum(map(sum, found.values()))
    print("| stage | forward, ms | backward, ms | share |\n|---|---:|---:|---:|")
    for stage, times in sorted(found.items(), key=lambda item: -sum(item[1])):
        ahead, back = (1e3 * seconds / PROFILED for seconds in times)
        print(f"| {stage} | {ahead:.1f} | {back:.1f} | {(ahead + back) / total / 10:.1f} % |")
    if operators:
        averages = profiler.key_averages()
        print(averages.table("self_cpu_time_total", operators, max_name_column_width=60))


def compare_changes(steps: Steps) -> None:
    """Print the time of the plain step, of the plain step with each change alone, and with all."""
    optimizer = steps.step.session.optimizer

    def plain(but: str | None) -> Callable[[], None]:
        def take() -> None:
            with plain_step(optimizer, but=but):
                steps.take()

        return take

    names = ["plain", *PLAIN, "all of them"]
    times = alternate([plain(None), *(plain(name) for name in PLAIN), steps.take], repeats=3)
    print("| change | ms a step | times as fast |\n|---|---:|---:|")
    for name, seconds in zip(names, times, strict=True):
        print(f"| {name} | {1e3 * seconds:.0f} | {times[0] / seconds:.3f} |")


def main() -> None:
    """Read the options and profile."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", nargs="?", default="puppets-64")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--operators", type=int, default=0, metavar="N")
    parser.add_argument("--changes", action="store_true")
    options = parser.parse_args()
    small = options.config.startswith("puppets")
    with open_steps(options.config, [*(() if small else FULL_WIDTH), *options.set]) as steps:
        print(f"{options.config}, frames {tuple(steps.batch.source.shape)}, {describe_machine()}\n")
        optimizer = steps.step.session.optimizer
        if options.changes:
            compare_changes(steps)
            return
        with plain_step(optimizer) if options.plain else nullcontext():
            profile_steps(steps, options.operators)


if __name__ == "__main__":
    main()
