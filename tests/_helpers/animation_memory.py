"""The memory of animations of different lengths, measured in a process of its own."""

import json
import resource
from pathlib import Path

from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.inference.animation import animate_file
from cpabmm_core.inference.inference_model import InferenceModel


def write_peaks(result: Path, source: Path, *videos: Path) -> None:
    """Animate with one video after the other; write the peak of memory after each, in KB."""
    peaks: list[int] = []
    inference_model = InferenceModel(tiny_model(tiny_config(**{"model.motion": "tps"})), "cpu")
    for number, video in enumerate(videos):
        output = video.with_name(f"{number}.mp4")
        animate_file(inference_model, str(source), str(video), str(output))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    result.write_text(json.dumps(peaks))
