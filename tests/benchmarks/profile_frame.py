"""Where the time of an animated frame goes, plain and prepared for inference.

    python tests/benchmarks/profile_frame.py                # full width, random weights
    python tests/benchmarks/profile_frame.py --model puppets

Both sides run in turn. A stage that contains others is followed by them, indented. With one thread,
the times are those of one of the threads that compute frames side by side.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

import torch
from benchmarks.peer_loop import FULL_WIDTH, random_frames, random_model
from torch import Tensor, nn

from cpabmm_core import load_model
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.fast import prepare_for_inference

Times = dict[str, float]
"""Milliseconds of each stage."""
INDENT = "  "


def stages(model: AnimationModel) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts whose time is taken, by the name of their stage."""
    dense, generator = model.dense_motion, model.generator
    yield f"{INDENT}blur and halve the source", dense.downsample
    for number, block in enumerate(dense.hourglass.down_blocks, 1):
        yield f"{INDENT}hourglass, down {number}", block
    for number, block in enumerate(dense.hourglass.up_blocks, 1):
        yield f"{INDENT}hourglass, up {number}", block
    yield f"{INDENT}contribution head", dense.contribution_head
    for number, block in enumerate(dense.refine_blocks, 1):
        yield f"{INDENT}refine {number}", block
    for number, head in enumerate(dense.occlusion_heads, 1):
        yield f"{INDENT}occlusion head {number}", head
    for number, block in enumerate(generator.residual_blocks, 1):
        yield f"{INDENT}residual blocks {number}", block
    for number, block in enumerate(generator.up_blocks, 1):
        yield f"{INDENT}up {number}", block
    yield f"{INDENT}to RGB", generator.to_rgb


class Stopwatch:
    """Adds up the time of stages."""

    def __init__(self) -> None:
        self.times: Times = defaultdict(float)
        self._started: dict[str, float] = {}

    def start(self, stage: str, *_: object) -> None:
        self._started[stage] = time.perf_counter()

    def stop(self, stage: str, *_: object) -> None:
        self.times[stage] += (time.perf_counter() - self._started[stage]) * 1e3

    def run(self, stage: str, work: Callable[[], Tensor]) -> Tensor:
        self.start(stage)
        result = work()
        self.stop(stage)
        return result


@torch.no_grad()
def profile(model: AnimationModel, source: Tensor, driving: Tensor, dtype: torch.dtype) -> Times:
    """Return the time of each stage for one frame; the source is encoded before."""
    watch = Stopwatch()
    hooks = []
    for stage, module in stages(model):
        hooks.append(module.register_forward_pre_hook(partial(watch.start, stage)))
        hooks.append(module.register_forward_hook(partial(watch.stop, stage)))
    kp_source = model.keypoints(source)
    size = model.dense_motion.flow_size((source.shape[2], source.shape[3]))
    with torch.autocast(source.device.type, dtype, enabled=dtype != torch.float32):
        features = model.generator.encode(source)
        watch.times.clear()
        poses = watch.run("keypoints", lambda: model.keypoints(driving))
        watch.run("candidates alone", lambda: model.candidate_motion(kp_source, poses, size))
        watch.start("motion")
        motion = model.motion(source, kp_source, poses)
        watch.stop("motion")
        watch.run("generation", lambda: model.generate(source, motion, features))
    for hook in hooks:
        hook.remove()
    return watch.times


def medians(runs: list[Times]) -> Times:
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


def order(model: AnimationModel) -> list[str]:
    names = [name for name, _ in stages(model)]
    first = names.index(f"{INDENT}residual blocks 1")
    motion = ["keypoints", "candidates alone", "motion", *names[:first]]
    return [*motion, "generation", *names[first:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=FULL_WIDTH, help="a configuration, or puppets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bundled = options.model == "puppets"
    plain = load_model("puppets", device="cpu") if bundled else random_model(options.model)
    models = {"plain": plain, "prepared": prepare_for_inference(plain)}
    source, driving = random_frames(2, plain.frame_size).split(1)
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    runs: dict[str, list[Times]] = {name: [] for name in models}
    for turn in range(options.repeats + 1):
        for name, model in models.items():
            times = profile(model, source, driving, dtype)
            if turn:
                runs[name].append(times)
    before, after = medians(runs["plain"]), medians(runs["prepared"])
    print(f"{options.model}, {options.threads} thread(s), {dtype}: milliseconds of one frame")
    for stage in order(plain):
        then, now = before[stage], after[stage]
        print(f"{stage:32} {then:9.2f} {now:9.2f} {then / now:6.2f}")
    totals = [
        sum(times[stage] for stage in ("keypoints", "motion", "generation"))
        for times in (before, after)
    ]
    print(f"{'sum':32} {totals[0]:9.2f} {totals[1]:9.2f} {totals[0] / totals[1]:6.2f}")


if __name__ == "__main__":
    main()
