"""Time to open a data set, to read pairs with and without the cache, and to read batches.

python -m pytest -s tests/benchmarks/bench_data_loading.py
python -m tests.benchmarks data_loading
"""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import write_test_video
from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream
from benchmarks._report import Row, alternate

from cpabmm_core.config import AugmentConfig, DataConfig
from cpabmm_core.data.batches import TimedBatches, read_batches
from cpabmm_core.data.clip_set import open_clips
from cpabmm_core.data.frames_dataset import FramesDataset
from cpabmm_core.data.pair_sampler import PairKey, PairSampler
from cpabmm_core.media.clips import Clip, open_clip
from cpabmm_core.media.image import write_image
from cpabmm_core.media.video.decoding import decode
from cpabmm_core.puppets import write_puppets

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SETS = [("taichi-mini", 256), ("actions", 64)]
PAIRS = 60
PLAIN = AugmentConfig(
    horizontal_flip=False, time_flip=False, brightness=0, contrast=0, saturation=0, hue=0
)

real_sets = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real clips at {SHARED}")


def measure_milliseconds_per_pair(data: FramesDataset, pairs: int = PAIRS) -> float:
    rng = np.random.default_rng(0)
    keys = [PairKey(int(rng.integers(len(data))), (0, 0, k)) for k in range(pairs)]
    start = time.perf_counter()
    for key in keys:
        data[key]
    return (time.perf_counter() - start) / pairs * 1e3


def read_pairs(clip: Clip, pairs: list[list[int]]) -> None:
    for pair in pairs:
        clip.read(pair)


def measure() -> list[Row]:
    """Compare the forms of a clip of 300 frames, and pairs with and without the cache."""
    rng = np.random.default_rng(0)
    pairs = [sorted(rng.choice(300, 2, replace=False).tolist()) for _ in range(PAIRS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "train"
        folder.mkdir()
        clips = [folder / f"g{group}.mp4" for group in (250, 8)]
        for path in clips:
            options = {"g": path.stem.removeprefix("g"), "bf": "3"}
            write_test_video(path, frames=300, size=(256, 256), options=options)
        opened = [open_clip(path) for path in clips]
        sparse, dense = alternate([partial(read_pairs, clip, pairs) for clip in opened], repeats=3)
        data = FramesDataset(folder, DataConfig(frame_size=256, augment=PLAIN), print)
        cold, warm = (measure_milliseconds_per_pair(data) / 1e3 for _ in range(2))
    return [
        Row("pair of frames, a keyframe every 8", "every 250", sparse / PAIRS, dense / PAIRS),
        Row("pair of frames of a data set, cached", "the first time", cold, warm),
        strips_row(),
    ]


def strips_row(strips: int = 8, pairs: int = 200) -> Row:
    """Compare pairs from strips, the first ones included, with pairs without a cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_puppets(
            folder, videos=strips, test_videos=0, frames=40, size=128, seed=0, format="strip"
        )
        with_cache, without = (
            measure_milliseconds_per_pair(
                FramesDataset(
                    folder / "train",
                    DataConfig(frame_size=64, augment=PLAIN, cache_mb=megabytes),
                    print,
                ),
                pairs,
            )
            / 1e3
            for megabytes in (64, 0)
        )
    what = f"pair of frames, {pairs} pairs of {strips} strips of 40 frames"
    return Row(what, "no cache", without, with_cache)


@real_sets
def test_time_to_open_and_read() -> None:
    print("\n| set | clips | frames | opening | pair, uncached | pair, cached | augmentation |")
    print("|---|---|---|---|---|---|---|")
    for name, size in SETS:
        start = time.perf_counter()
        clips = open_clips(SHARED / name / "train", "refuse", print)
        opening = time.perf_counter() - start
        plain = FramesDataset(
            SHARED / name / "train", DataConfig(frame_size=size, augment=PLAIN), print
        )
        cold = measure_milliseconds_per_pair(plain)
        warm = measure_milliseconds_per_pair(plain)
        augmented = FramesDataset(SHARED / name / "train", DataConfig(frame_size=size), print)
        measure_milliseconds_per_pair(augmented)
        changes = measure_milliseconds_per_pair(augmented) - warm
        frames = sum(len(clip.clip) for clip in clips)
        print(
            f"| {name} | {len(clips)} | {frames} | {opening / len(clips) * 1e3:.0f} ms a clip "
            f"| {cold:.1f} ms | {warm:.1f} ms | {changes:.1f} ms |"
        )
        assert warm < cold


@real_sets
def test_throughput_by_workers() -> None:
    print("\n| set | workers | batches of 8 per second | waiting time with steps of 0.3 s |")
    print("|---|---|---|---|")
    for name, size in SETS:
        data = FramesDataset(SHARED / name / "train", DataConfig(frame_size=size, cache_mb=0))
        for workers in (0, 1, 2):
            sampler = PairSampler(len(data), 50, 8, seed=0)
            sampler.steps = range(12)
            start = time.perf_counter()
            for _ in read_batches(data, sampler, workers=workers):
                pass
            rate = 12 / (time.perf_counter() - start)
            batches = TimedBatches(read_batches(data, sampler, workers=workers))
            for _ in batches:
                time.sleep(0.3)
            print(f"| {name} | {workers} | {rate:.1f} | {batches.share():.0%} |")


def test_forms_of_one_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the same 300 frames as videos with few and many keyframes and as images."""
    decoded = 0

    def count_decoded(
        container: InputContainer, stream: VideoStream, path: Path, *, count: int = 0
    ) -> Iterator[AvFrame]:
        nonlocal decoded
        for frame in decode(container, stream, path, count=count):
            decoded += 1
            yield frame

    size = (256, 256)
    for group in (250, 30, 8):
        options = {"g": str(group), "bf": "3"}
        write_test_video(tmp_path / f"g{group}.mp4", frames=300, size=size, options=options)
    (tmp_path / "images").mkdir()
    for k, image in enumerate(open_clip(tmp_path / "g8.mp4").read(range(300))):
        write_image(tmp_path / "images" / f"{k}.png", image)
    monkeypatch.setattr("cpabmm_core.media.video.frame_index.decode", count_decoded)
    print("\n| form | decoded frames per pair | time per pair |")
    print("|---|---|---|")
    for name in ("g250.mp4", "g30.mp4", "g8.mp4", "images"):
        clip = open_clip(tmp_path / name)
        rng = np.random.default_rng(0)
        decoded, start = 0, time.perf_counter()
        for _ in range(PAIRS):
            clip.read(rng.choice(len(clip), 2, replace=False).tolist())
        elapsed = (time.perf_counter() - start) / PAIRS
        per_pair = decoded / PAIRS or 2  # images are not decoded as a video
        print(f"| {name} | {per_pair:.0f} of 300 | {elapsed * 1e3:.1f} ms |")
