"""A walk through the Python interface of animation, cell by cell.

Editors such as VS Code, PyCharm and Spyder run each cell on its own, as in a notebook; a cell
starts with ``# %%``. As a program, the script runs all cells. It writes pictures to the folder
`steps`:

python examples/animate_step_by_step.py
"""

# %% Load the bundled model, a source and the frames of a driving video.
from itertools import islice
from pathlib import Path

import torch
from typer import echo

from cpabmm_core import Animator, load_model
from cpabmm_core.inference import (
    AnimationSettings,
    InferenceModel,
    animate_file,
    extract_motion,
    is_motion_file,
)
from cpabmm_core.media import open_driving, read_image, write_image
from cpabmm_core.visualize import overlay_keypoints, side_by_side

try:
    EXAMPLES = Path(__file__).parent
except NameError:  # in a notebook
    EXAMPLES = Path("examples")
OUT = Path("steps")
OUT.mkdir(exist_ok=True)

model = load_model("puppets", device="auto")
inference_model = InferenceModel(model)
source = read_image(EXAMPLES / "source.png")
with open_driving(EXAMPLES / "driving.mp4") as video:
    driving = [frame.image for frame in islice(video, 16)]
echo(f"source of {source.shape[1]} x {source.shape[0]}, {len(driving)} driving frames")

# %% Keypoints: what the model sees in a picture.
with torch.inference_mode():
    keypoints = model.keypoints(inference_model.to_input([source, driving[0]]))
dots = [
    overlay_keypoints(picture, points[:, :2].cpu().numpy(), groups=10)
    for picture, points in zip((source, driving[0]), keypoints, strict=True)
]
write_image(OUT / "keypoints.png", side_by_side(dots))

# %% Animate: one frame comes out for each that goes in, as large as the source.
frames = list(Animator(model).animate(source, driving))
write_image(OUT / "animated.png", side_by_side([source, driving[-1], frames[-1]]))

# %% Motion scale: weaker and stronger movements.
scaled = [
    list(Animator(model, motion_scale=scale).animate(source, driving))[-1]
    for scale in (0.0, 0.5, 1.0, 1.5)
]
write_image(OUT / "motion-scale.png", side_by_side(scaled))

# %% Save the motion. Without pictures, it drives other sources faster, and it shows nobody.
with open_driving(EXAMPLES / "driving.mp4") as video:
    motion = extract_motion(
        inference_model,
        islice(video, 16),
        time_base=video.time_base,
        frame_rate=video.frame_rate,
    )
motion.save(OUT / "trot.safetensors")
echo(f"{OUT / 'trot.safetensors'} is a motion file: {is_motion_file(OUT / 'trot.safetensors')}")

# %% Reference: the driving frame whose pose is nearest to the source's.
best = motion.best_reference(keypoints[:1])
compared = [
    list(Animator(model).animate(source, driving, reference=driving[number]))[-1]
    for number in (0, best)
]
write_image(OUT / "reference.png", side_by_side(compared))
echo(f"the best reference frame is number {best}")

# %% Files: the same as `cpabmm animate`, with all settings, and a motion file as driving video.
settings = AnimationSettings(reference_frame="auto", smooth=0.2, size=160)
report = animate_file(
    inference_model,
    str(EXAMPLES / "source.png"),
    str(OUT / "trot.safetensors"),
    str(OUT / "animated.mp4"),
    settings,
    force=True,
)
echo(f"{OUT / 'animated.mp4'}: {report.frames} frames of {report.size[0]} x {report.size[1]}")
