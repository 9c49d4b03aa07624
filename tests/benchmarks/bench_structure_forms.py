"""Both forms of the structure loss at full size, compared with the reconstruction loss.

    python -m pytest -s tests/benchmarks/bench_structure_forms.py
    CLIPS=DIR python -m pytest -s tests/benchmarks/bench_structure_forms.py    # on videos

The structure loss has weight 0.1 and uses DINO ViT-B/8 (785 tokens of 768 numbers). The
reconstruction loss has weight 10 and uses VGG-19 at four scales. Batches have 8 pairs.

Both networks have random weights, so the first table only gives orders of magnitude. The ratio of
the two forms depends only on r, the root mean square of the differences between the
self-similarities. The second table gives this ratio, which holds for any network. Without CLIPS,
the frames show puppets.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from _helpers.frozen_nets import vgg19_layers
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from cpabmm_core.losses.perceptual import PerceptualLoss
from cpabmm_core.losses.structure import Form, structure_loss
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.media.clips import open_clip
from cpabmm_core.models.frozen.dino import DinoKeys
from cpabmm_core.models.frozen.vgg import Vgg19Features
from cpabmm_core.puppets import render_puppet

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH, SIDE, TOKENS = 8, 256, 785
STRUCTURE, RECONSTRUCTION = 0.1, 10.0
FORMS: tuple[Form, ...] = ("frobenius", "mean_square")


def frames() -> tuple[Tensor, Tensor]:  # (8, 3, 256, 256) twice, in [0, 1]
    """Read two frames of each of eight clips, or render them."""
    pairs = []
    for index in range(BATCH):
        if "CLIPS" in os.environ:
            paths = list_clips(Path(os.environ["CLIPS"]))
            clip = open_clip(paths[index % len(paths)])
            start = index // len(paths) * 40
            pairs.append(clip.read([start, start + 20]))
        else:
            video = render_puppet(0, index, split="train", frames=21, size=SIDE)
            pairs.append([video.frames[0], video.frames[20]])
    images = torch.from_numpy(np.array(pairs)).permute(1, 0, 4, 2, 3).flatten(0, 1).to(DEVICE)
    first, second = F.interpolate(images / 255, (SIDE, SIDE), mode="area").chunk(2)
    return first, second


def random_networks() -> tuple[DinoKeys, PerceptualLoss]:
    """Build networks of the real sizes and classes with random weights."""
    torch.manual_seed(0)
    transformer: Any = timm.create_model("vit_base_patch8_224.dino", num_classes=0)
    layers = vgg19_layers()
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return DinoKeys(transformer).to(DEVICE), PerceptualLoss(Vgg19Features(layers)).to(DEVICE)


def measure_structure(
    dino: DinoKeys, generated: Tensor, driving: Tensor
) -> tuple[dict[Form, float], dict[Form, float]]:
    """Return the value of each form and the norm of its gradient with respect to the frames."""
    values = dict.fromkeys(FORMS, 0.0)
    squares = dict.fromkeys(FORMS, 0.0)
    for frame, truth in zip(generated.split(1), driving.split(1), strict=True):
        with torch.no_grad():
            wanted = dino(truth)
        image = frame.clone().requires_grad_()
        keys = dino(image)
        losses = {form: structure_loss(keys, wanted, form) for form in FORMS}
        at_keys = {
            form: torch.autograd.grad(loss, keys, retain_graph=True)[0]
            for form, loss in losses.items()
        }
        [at_frame] = torch.autograd.grad(keys, image, at_keys["frobenius"])
        for form in FORMS:
            values[form] += losses[form].item() / BATCH
            # One form is a function of the other, so their gradients are parallel for one image.
            scale = (at_keys[form].norm() / at_keys["frobenius"].norm()).item()
            squares[form] += (scale * at_frame.norm().item() / BATCH) ** 2
    return values, {form: square**0.5 for form, square in squares.items()}


def measure_reconstruction(
    loss: PerceptualLoss, generated: Tensor, driving: Tensor
) -> tuple[float, float]:
    """Return the weighted loss and the norm of its gradient with respect to the frames."""
    value, square = 0.0, 0.0
    for frame, truth in zip(generated.split(1), driving.split(1), strict=True):
        image = frame.clone().requires_grad_()
        distance = loss(image, truth)
        [gradient] = torch.autograd.grad(distance, image)
        value += distance.item() / BATCH
        square += (gradient.norm().item() / BATCH) ** 2
    return RECONSTRUCTION * value, RECONSTRUCTION * square**0.5


def blurred(images: Tensor, sigma: float) -> Tensor:
    smooth: Tensor = gaussian_blur(images, [33, 33], [sigma, sigma])
    return smooth


@pytest.mark.usefixtures("all_cores")
def test_forms() -> None:
    first, driving = frames()
    dino, perceptual = random_networks()
    candidates = {
        "the driving frame, blurred by 1 pixel": blurred(driving, 1),
        "the driving frame, blurred by 4 pixels": blurred(driving, 4),
        "the first frame": first,
    }
    print("\n| generated | r | frobenius | mean_square | paper's code (sum) | reconstruction |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, generated in candidates.items():
        values, slopes = measure_structure(dino, generated, driving)
        assert values["mean_square"] < values["frobenius"]
        cells = [
            (STRUCTURE * values["frobenius"], STRUCTURE * slopes["frobenius"]),
            (STRUCTURE * values["mean_square"], STRUCTURE * slopes["mean_square"]),
            (BATCH * STRUCTURE * values["mean_square"], BATCH * STRUCTURE * slopes["mean_square"]),
            measure_reconstruction(perceptual, generated, driving),
        ]
        shown = " | ".join(f"{value:.2g} ({slope:.2g})" for value, slope in cells)
        print(f"| {name} | {values['mean_square'] ** 0.5:.3f} | {shown} |", flush=True)
    print("\n| r | frobenius | paper's code (sum) | ratio of the gradients |")
    print("|---:|---:|---:|---:|")
    for r in (0.01, 0.03, 0.1, 0.3):
        terms = f"{STRUCTURE * TOKENS * r:.2g} | {STRUCTURE * BATCH * r * r:.2g}"
        print(f"| {r} | {terms} | {TOKENS / (2 * BATCH * r):.0f} |")
