"""Train the two networks of the extractor ``puppets`` and write its weights.

python examples/train_puppet_extractor.py -o puppet-extractor.safetensors --samples samples.npz

The script first renders the frames into samples.npz (1.2 GB) if the file does not exist.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
import typer
from frame_corruptions import degrade, erase, recolour, resize, uniform
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cpabmm_core.metrics.extractors.puppets import (
    IDENTITY_SIDE,
    JOINT_NAMES,
    JOINTS_SIDE,
    IdentityNetwork,
    JointDetector,
    Joints,
    arrange_joints,
    cell_centres,
)
from cpabmm_core.precision import cpu_computes_bf16
from cpabmm_core.puppets import render_samples

app = typer.Typer(add_completion=False)

SIZE = 128  # side of the rendered frames
FRAMES = 4  # per character: two motions with two frames each
SPREAD = 0.8  # standard deviation of a target heatmap, in cells
TEMPERATURE = 0.1  # of the contrastive loss

T = TypeVar("T")


class Samples(NamedTuple):
    """All frames, grouped by character."""

    frames: NDArray[np.uint8]  # (N, H, W, 3)
    joints: NDArray[np.float32]  # (N, J, 2) pixels, 0 if missing
    shown: NDArray[np.bool_]  # (N, J)


@app.command()
def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="Weights file to write.")],
    samples: Annotated[Path, typer.Option(help="File of rendered frames, created if missing.")],
    characters: Annotated[int, typer.Option(min=48, help="Number of characters to render.")] = 6000,
    joint_steps: Annotated[int, typer.Option(help="Training steps of the joint detector.")] = 2600,
    identity_steps: Annotated[
        int, typer.Option(help="Training steps of the identity network.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of frames and training.")] = 1,
) -> None:
    """Render frames, train both networks and write their weights."""
    if not samples.exists():
        np.savez(samples, **render(seed, characters)._asdict())
    with np.load(samples) as arrays:
        data = Samples(**{name: arrays[name] for name in Samples._fields})
    networks = {
        "identity": train_identity(data, identity_steps, seed),
        "joints": train_joints(data, joint_steps, seed),
    }
    save_file(pack_weights(networks), output)
    typer.echo(f"{output}: {output.stat().st_size} bytes")


def render(seed: int, characters: int) -> Samples:
    """Render all frames."""
    frames = np.empty((characters * FRAMES, SIZE, SIZE, 3), np.uint8)
    joints = np.zeros((len(frames), len(JOINT_NAMES), 2), np.float32)
    shown = np.zeros(joints.shape[:2], bool)
    for index in range(characters):
        samples = render_samples(seed, index, motions=2, frames=FRAMES // 2, size=SIZE)
        place = slice(index * FRAMES, (index + 1) * FRAMES)
        frames[place] = samples.frames
        joints[place] = np.nan_to_num(arrange_joints(samples.joints, samples.joint_names))
        shown[place, [JOINT_NAMES.index(name) for name in samples.joint_names]] = samples.present
        if index % 500 == 0:
            typer.echo(f"rendered {index} of {characters} characters")
    return Samples(frames, joints, shown)


def pack_weights(networks: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Convert tensors of two or more dimensions to half precision, and drop batch counters."""
    return {
        f"{name}.{key}": value.half().contiguous() if value.ndim > 1 else value.contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def train_joints(data: Samples, steps: int, seed: int, batch: int = 32) -> nn.Module:
    """Train the joint detector."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 1])
    order = sample_batches(rng, len(data.frames), batch)

    def loss(network: Callable[[Tensor], Joints]) -> Tensor:
        chosen = next(order)
        frames, joints, shown = (torch.from_numpy(array[chosen]) for array in data)
        frames = resize(to_float(frames), JOINTS_SIDE)
        joints = (joints + 0.5) * JOINTS_SIDE / SIZE - 0.5
        frames, joints, shown = move(frames, joints, shown)
        frames, shown = erase(frames, joints, shown)
        found = network(degrade(recolour(frames, 0.25)))
        side = int(found.heatmaps.shape[-1] ** 0.5)
        cell = JOINTS_SIDE / side
        offsets = (joints[:, :, None] - cell_centres(side, side, cell)) / cell
        target = (-offsets.square().sum(-1) / (2 * SPREAD**2)).softmax(-1)
        spread = -(target * found.heatmaps).sum(-1)
        distance = (found.positions - joints).abs().sum(-1)
        weights = shown / shown.sum().clamp(min=1)
        presence = F.binary_cross_entropy_with_logits(found.presence, shown.float())
        total: Tensor = (weights * (spread + 0.5 * distance)).sum() + 5 * presence
        return total

    return train("joints", JointDetector(len(JOINT_NAMES)), loss, steps)


def train_identity(data: Samples, steps: int, seed: int, characters: int = 48) -> nn.Module:
    """Train the identity network with a contrastive loss on two frames of each character."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 2])
    order = sample_batches(rng, len(data.frames) // FRAMES, characters)

    def loss(network: Callable[[Tensor], Tensor]) -> Tensor:
        first = next(order) * FRAMES
        pairs = [first + rng.integers(0, 2, characters), first + rng.integers(2, 4, characters)]
        chosen = np.concatenate(pairs)
        frames, joints, shown = (torch.from_numpy(array[chosen]) for array in data)
        frames, joints, shown = move(to_float(frames), joints, shown)
        frames = resize(degrade(recolour(frames, 0.06)), IDENTITY_SIDE)
        has_joints = shown.any(1)
        both = has_joints[:characters] & has_joints[characters:]
        one, other = (part[both] for part in network(frames).split(characters))
        similarity = one @ other.mT / TEMPERATURE
        labels = torch.arange(len(similarity))
        losses = F.cross_entropy(similarity, labels), F.cross_entropy(similarity.mT, labels)
        return (losses[0] + losses[1]) / 2

    return train("identity", IdentityNetwork(), loss, steps)


def train(
    name: str, network: nn.Module, loss_of: Callable[[Callable[[Tensor], T]], Tensor], steps: int
) -> nn.Module:
    """Run the training steps and return the moving average of the network."""
    network = network.to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    start, total = time.perf_counter(), 0.0

    def run(frames: Tensor) -> T:
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_computes_bf16()):
            output: T = network(frames.contiguous(memory_format=torch.channels_last))
        return output

    for step in range(1, steps + 1):
        loss = loss_of(run)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        total += loss.item()
        if step % 100 == 0:
            seconds = time.perf_counter() - start
            typer.echo(f"{name} {step}: loss {total / 100:.4f}, {seconds:.0f} s")
            total = 0.0
    return average.module.eval()


def sample_batches(rng: np.random.Generator, count: int, batch: int) -> Iterator[NDArray[np.int64]]:
    """Yield shuffled batches without end; each index occurs at most once per pass."""
    while True:
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch]


def to_float(frames: Tensor) -> Tensor:
    """Convert (B, H, W, 3) uint8 to (B, 3, H, W) in [0, 1]."""
    return frames.permute(0, 3, 1, 2).float() / 255


def move(
    frames: Tensor,  # (B, 3, H, H)
    joints: Tensor,  # (B, J, 2) pixels
    shown: Tensor,  # (B, J)
) -> tuple[Tensor, Tensor, Tensor]:  # frames, joints, shown
    """Rotate, shift and scale frames and joints, and blank some frames.

    Joints outside the frame are no longer shown.
    """
    side = frames.shape[-1]
    angle, scale = uniform(frames, -0.12, 0.12), uniform(frames, -0.35, 0.15).exp()
    close = torch.rand(len(frames)) < 0.15
    scale = torch.where(close, scale * 1.5, scale)
    rows = [angle.cos(), -angle.sin(), angle.sin(), angle.cos()]
    rotation = torch.stack(rows, 1).view(-1, 2, 2) * scale[:, None, None]
    shift = uniform(frames, -0.15, 0.15, 2)
    inverse = torch.linalg.inv(rotation)
    matrix = torch.cat([inverse, -inverse @ shift[:, :, None]], 2)
    grid = F.affine_grid(matrix, list(frames.shape), align_corners=False)
    moved = F.grid_sample(frames, grid, padding_mode="border", align_corners=False)
    joints = ((2 * joints + 1) / side - 1) @ rotation.mT + shift[:, None]
    shown = shown & (joints.abs() < 1).all(-1)
    blank = torch.rand(len(frames)) < 0.03
    plain = uniform(frames, 0, 1, 3, 1, 1) * (torch.rand(len(frames), 1, 1, 1) < 0.5)
    moved = torch.where(blank[:, None, None, None], plain.expand_as(moved), moved)
    return moved, ((joints + 1) * side - 1) / 2, shown & ~blank[:, None]


if __name__ == "__main__":
    app()
