"""Detections of `faces-dlib` in real clips, and its uncertainty in AKD, MKR and AED.

    OMP_NUM_THREADS=1 python -m pytest -s tests/benchmarks/bench_faces.py

Needs the extra faces-dlib and the clips d3.mp4, d12.mp4 and d18.mp4 in `../shared/data/faces`.
Every 5th frame is compared with its copy after MP4 encoding, and with a copy shifted 3 pixels right
and 2 down, whose AKD is (3 + 2) / 2 if landmarks follow exactly.
"""

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.media.timed_frames import open_frames
from cpabmm_core.media.video import VideoWriter
from cpabmm_core.metrics import average_euclidean_distance, average_keypoint_distance
from cpabmm_core.metrics.extractors import Request
from cpabmm_core.metrics.extractors.faces_dlib import open_extractor

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "faces"
STEP = 5
RIGHT, DOWN = 3, 2

Frames = NDArray[np.uint8]  # (F, H, W, 3)


def encode(frames: Frames, path: Path) -> Frames:
    _, height, width, _ = frames.shape
    with VideoWriter(path, width, height, 25, Fraction(1, 25)) as writer:
        for pts, frame in enumerate(frames):
            writer.write(frame, pts=pts)
    return np.stack([frame.image for frame in open_frames(path)])


def shift(frames: Frames) -> Frames:
    _, height, width, _ = frames.shape
    padded = np.pad(frames, ((0, 0), (DOWN, 0), (RIGHT, 0), (0, 0)), mode="edge")
    return padded[:, :height, :width]


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"needs real clips in {CLIPS}")
@pytest.mark.parametrize("clip", ["d3", "d12", "d18"])
def test_faces_of_a_real_clip(clip: str, tmp_path: Path) -> None:
    faces = open_extractor(Request())
    whole = np.stack([frame.image for frame in open_frames(CLIPS / f"{clip}.mp4")])
    real = whole[::STEP]
    start = time.process_time()
    landmarks = faces.keypoints(real)
    middle = time.process_time()
    identities = faces.embeddings(real)
    stop = time.process_time()
    found = np.isfinite(identities).all(axis=1)
    print(
        f"\n{clip}: {len(real)} frames of {real.shape[2]} x {real.shape[1]}, coverage "
        f"{found.mean():.3f}, CPU time per frame: {(middle - start) / len(real):.3f} s landmarks, "
        f"{(stop - middle) / len(real):.3f} s more identities"
    )
    copies = {
        "encoded": encode(whole, tmp_path / "clip.mp4")[::STEP],
        f"shifted by ({RIGHT}, {DOWN})": shift(real),
        "identical": real,
    }
    for name, copy in copies.items():
        distance = average_keypoint_distance(landmarks, faces.keypoints(copy))
        others = faces.embeddings(copy)
        both = found & np.isfinite(others).all(axis=1)
        aed = average_euclidean_distance(identities[both], others[both])
        if name == "identical":
            assert (distance.akd, distance.mkr, aed) == (0, 0, 0)
        print(f"  {name}: AKD {distance.akd:.3f} px, MKR {distance.mkr:.4f}, AED {aed:.5f}")
