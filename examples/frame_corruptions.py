"""Random corruptions of frames, so that a detector trained on clean ones stands generated ones.

Used by train_puppet_extractor.py. Frames are (B, 3, H, W) in [0, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(frames: Tensor, side: int) -> Tensor:
    """As the extractor does it."""
    return F.interpolate(frames, (side, side), mode="bilinear", antialias=True)


def uniform(frames: Tensor, low: float, high: float, *size: int) -> Tensor:
    """A random number for each frame."""
    return torch.empty(len(frames), *size).uniform_(low, high)


def erase(frames: Tensor, joints: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
    """Cover a patch around some joint in half of the frames; joints within are not shown."""
    frames, shown = frames.clone(), shown.clone()
    side = frames.shape[-1]
    place = torch.arange(side, dtype=torch.float32)
    fills = [frames.roll(side // 2, 3), frames.roll(1, 0), frames.mean((2, 3), keepdim=True)]
    for number in torch.nonzero(torch.rand(len(frames)) < 0.5)[:, 0].tolist():
        chosen = torch.multinomial(shown[number].float() + 1e-3, 1)
        centre = joints[number, chosen[0]] + torch.empty(2).uniform_(-0.05, 0.05) * side
        half = torch.empty(2).uniform_(0.03, 0.17) * side
        power = (2, 8)[number % 2]  # an ellipse or almost a rectangle
        reach = ((place[:, None] - centre) / half) ** power
        mask = reach[:, 0] + reach[:, 1:] < 1
        fill = fills[int(torch.randint(len(fills), ()))][number]
        frames[number] = torch.where(mask, fill, frames[number])
        shown[number] &= (((joints[number] - centre) / half) ** power).sum(-1) >= 1
    return frames, shown


def recolour(frames: Tensor, most: float) -> Tensor:
    """Change saturation, contrast and tint by up to the given share."""
    colour = uniform(frames, 1 - 2 * most, 1 + most, 1, 1)
    contrast = uniform(frames, 1 - most, 1 + most, 1, 1)
    tint = uniform(frames, 1 - most, 1 + most / 2, 3, 1)
    matrix = tint * contrast * (colour * torch.eye(3) + (1 - colour) / 3)
    middle = frames[:, :, ::8, ::8].mean((1, 2, 3))[:, None, None]
    changed = torch.baddbmm(tint * middle * (1 - contrast), matrix, frames.flatten(2))
    return changed.unflatten(2, frames.shape[2:])


def spoil(frames: Tensor) -> Tensor:
    """What generated and compressed videos do to a frame: blur, ghosts, blocks and noise."""
    frames = torch.cat([soften(part) for part in frames.split(8)])
    for change, chance in ((ghost, 0.2), (compress, 0.3), (add_noise, 0.4)):
        chosen = torch.rand(len(frames)) < chance
        frames[chosen] = change(frames[chosen])
    return frames.clamp(0, 1)


def ghost(frames: Tensor) -> Tensor:
    """See each frame double."""
    again = frames.roll([int(shift) for shift in torch.randint(-3, 4, (2,))], (2, 3))
    return frames.lerp(again, uniform(frames, 0, 0.5, 1, 1, 1))


def add_noise(frames: Tensor) -> Tensor:
    """Add Gaussian noise of up to 6% of the range."""
    return frames + uniform(frames, 0, 0.06, 1, 1, 1) * torch.randn_like(frames)


def soften(frames: Tensor) -> Tensor:
    """Lose the detail of a smaller picture, half of the time."""
    side = frames.shape[-1]
    if torch.rand(()) < 0.5:
        frames = resize(frames, round(side * float(torch.empty(()).uniform_(0.22, 0.9))))
        frames = F.interpolate(frames, (side, side), mode="bilinear")
    return frames


def compress(frames: Tensor) -> Tensor:
    """Round the cosine coefficients of blocks of 8 x 8 pixels, finer ones more, as JPEG does."""
    rate = torch.arange(8.0)
    basis = torch.cos((2 * rate + 1) * rate[:, None] * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    blocks = frames.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    step = (1 + rate + rate[:, None]) * uniform(frames, 0.002, 0.06, 1, 1, 1, 1, 1)
    rounded = (basis @ blocks @ basis.mT / step).round() * step
    return (basis.mT @ rounded @ basis).transpose(3, 4).flatten(4, 5).flatten(2, 3)
