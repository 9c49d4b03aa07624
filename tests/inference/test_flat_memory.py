"""Memory does not grow with the number of frames, from the reader to the writer."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, resource, sys
sys.path[:0] = {paths!r}
import numpy as np, torch
from _helpers.tiny_model import tiny_affine_config, tiny_model
from cpabmm_core.inference import *

torch.set_num_threads(1)
SIDE = 320  # pixels of driving frames and results; 900 of either would take 276 MB
model = InferenceModel(tiny_model(tiny_affine_config()), batch_size=32)

def frames(count):
    for number in range(count):
        yield np.full((SIDE, SIDE, 3), number % 250, np.uint8)

class Count:
    written = 0
    def write(self, frame):
        assert frame.shape == (SIDE, SIDE, 3)
        self.written += 1

def enlarge(square):
    return square.repeat(10, axis=0).repeat(10, axis=1)

def peak(count):
    source = EncodedSource.from_squares(model, list(frames(1)), 32)
    poses = PoseTransfer.for_model(model.model, source.keypoints)
    stream = AnimationStream(model, source, poses, finish=enlarge)
    with read_ahead(frames(count), 8) as driving, WriteBehind(counter, 8) as behind:
        for frame in driving:
            for result in stream.push(frame):
                behind.write(result)
        for result in stream.flush():
            behind.write(result)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

counter = Count()
peaks = [peak(100), peak(1000)]
print(json.dumps({{"written": counter.written, "peaks": peaks}}))
"""


@pytest.mark.slow
def test_ten_times_the_frames_take_no_more_memory(request: pytest.FixtureRequest) -> None:
    root = request.config.rootpath
    code = CODE.format(paths=[str(root), str(root / "tests")])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    few, many = found["peaks"]
    assert found["written"] == 1100
    assert many < 1.1 * few  # measured: 1.00; a writer that keeps its frames: 1.37
