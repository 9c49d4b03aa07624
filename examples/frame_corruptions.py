"""Random corruptions of frames that make a detector robust to the defects of generated frames.

train_puppet_extractor.py uses them. Frames are (B, 3, H, W) in [0, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(frames: Tensor, side: int) -> Tensor:
    """Resize frames to a square in the same way as the extractor."""
    return F.interpolate(frames, (side, side), mode="bilinear", antialias=True)


def uniform(frames: Tensor, low: float, high: float, *size: int) -> Tensor:
    """Sample uniform numbers of shape (B, *size)."""
    return torch.empty(len(frames), *size).uniform_(low, high)


def erase(
    frames: Tensor,  # (B, 3, H, W)
    joints: Tensor,  # (B, J, 2) pixels
    shown: Tensor,  # (B, J)
) -> tuple[Tensor, Tensor]:  # frames, shown
    """Cover a patch around a joint in half of the frames; joints inside are no longer shown."""
    frames, shown = frames.clone(), shown.clone()
    side = frames.shape[-1]
    place = torch.arange(side, dtype=torch.float32)
    fills = [frames.roll(side // 2, 3), frames.roll(1, 0), frames.mean((2, 3), keepdim=True)]
    for number in torch.nonzero(torch.rand(len(frames)) < 0.5)[:, 0].tolist():
        chosen = torch.multinomial(shown[number].float() + 1e-3, 1)
        centre = joints[number, chosen[0]] + torch.empty(2).uniform_(-0.05, 0.05) * side
        half = torch.empty(2).uniform_(0.03, 0.17) * side
        power = (2, 8)[number % 2]  # an ellipse, or nearly a rectangle
        reach = ((place[:, None] - centre) / half) ** power
        mask = reach[:, 0] + reach[:, 1:] < 1
        fill = fills[int(torch.randint(len(fills), ()))][number]
        frames[number] = torch.where(mask, fill, frames[number])
        shown[number] &= (((joints[number] - centre) / half) ** power).sum(-1) >= 1
    return frames, shown


def recolour(frames: Tensor, strength: float) -> Tensor:
    """Change saturation, contrast and tint by shares of up to about `strength`."""
    colour = uniform(frames, 1 - 2 * strength, 1 + strength, 1, 1)
    contrast = uniform(frames, 1 - strength, 1 + strength, 1, 1)
    tint = uniform(frames, 1 - strength, 1 + strength / 2, 3, 1)
    matrix = tint * contrast * (colour * torch.eye(3) + (1 - colour) / 3)
    middle = frames[:, :, ::8, ::8].mean((1, 2, 3))[:, None, None]
    changed: Tensor = torch.baddbmm(tint * middle * (1 - contrast), matrix, frames.flatten(2))
    return torch.reshape(changed, frames.shape)


def degrade(frames: Tensor) -> Tensor:
    """Apply the defects of generated and compressed videos: blur, ghosts, blocks and noise."""
    frames = torch.cat([soften(part) for part in frames.split(8)])
    for change, chance in ((ghost, 0.2), (compress, 0.3), (add_noise, 0.4)):
        chosen = torch.rand(len(frames)) < chance
        frames[chosen] = change(frames[chosen])
    return frames.clamp(0, 1)


def ghost(frames: Tensor) -> Tensor:
    """Blend each frame with a shifted copy."""
    again = frames.roll([int(shift) for shift in torch.randint(-3, 4, (2,))], (2, 3))
    return frames.lerp(again, uniform(frames, 0, 0.5, 1, 1, 1))


def add_noise(frames: Tensor) -> Tensor:
    """Add Gaussian noise of up to 6% of the range."""
    return frames + uniform(frames, 0, 0.06, 1, 1, 1) * torch.randn_like(frames)


def soften(frames: Tensor) -> Tensor:
    """Reduce the resolution, with probability 1/2."""
    side = frames.shape[-1]
    if torch.rand(()) < 0.5:
        frames = resize(frames, round(side * float(torch.empty(()).uniform_(0.22, 0.9))))
        frames = F.interpolate(frames, (side, side), mode="bilinear")
    return frames


def compress(frames: Tensor) -> Tensor:
    """Quantise the cosine coefficients of 8 x 8 blocks like JPEG, high ones more coarsely."""
    rate = torch.arange(8.0)
    basis = torch.cos((2 * rate + 1) * rate[:, None] * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    blocks = frames.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    step = (1 + rate + rate[:, None]) * uniform(frames, 0.002, 0.06, 1, 1, 1, 1, 1)
    rounded = (basis @ blocks @ basis.mT / step).round() * step
    return torch.reshape((basis.mT @ rounded @ basis).transpose(3, 4), frames.shape)
