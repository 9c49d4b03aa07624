"""A second implementation of MRAA: plain formulas, region by region.

No golden numbers of MRAA (Siarohin et al., CVPR 2021) exist. This module implements its formulas
independently of cpabmm: covariances by double sums, principal axes by LAPACK's SVD, flows by loops
over regions. Tensors have their published names and channel order.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Networks = dict[str, dict[str, Tensor]]
_TEMPERATURE = 0.1
_BLUR_SIGMA, _BLUR_RADIUS = 1.5, 6


class Regions(NamedTuple):
    """The regions of one image."""

    means: Tensor  # (N, 2)
    covariances: Tensor  # (N, 2, 2)
    axes: Tensor  # (N, 2, 2) principal axes, scaled by the standard deviations


def regions(networks: Networks, image: Tensor) -> Regions:  # image: (1, 3, H, W)
    """Return means, covariances and principal axes of the heatmaps."""
    part = networks["region_predictor"]
    features = _hourglass(part, "predictor.encoder", "predictor.decoder", _shrink(image))
    logits = F.conv2d(features, part["regions.weight"], part["regions.bias"])[0]
    count, height, width = logits.shape
    shares = torch.softmax(logits.reshape(count, -1) / _TEMPERATURE, dim=1).view_as(logits)
    grid = _grid(height, width)
    means = torch.stack([(share[..., None] * grid).sum((0, 1)) for share in shares])
    covariances, scaled_axes = [], []
    for share, mean in zip(shares, means, strict=True):
        offset = grid - mean
        covariance = torch.einsum("yx,yxi,yxj->ij", share, offset, offset)
        axes, lengths, _ = torch.linalg.svd(covariance)
        covariances.append(covariance)
        scaled_axes.append(axes @ torch.diag(lengths.sqrt()))
    return Regions(means, torch.stack(covariances), torch.stack(scaled_axes))


def background(networks: Networks, source: Tensor, driving: Tensor) -> Tensor:  # (3, 3)
    """Return the affine motion of the background, from driving to source."""
    part = networks["bg_predictor"]
    features = _encoder(part, "encoder", torch.cat((source, driving), dim=1))[-1]
    numbers = F.linear(features.mean((2, 3)), part["fc.weight"], part["fc.bias"]).view(2, 3)
    return torch.cat((numbers, torch.tensor([[0.0, 0.0, 1.0]])))


class Flow(NamedTuple):
    """Output of the flow predictor."""

    masks: Tensor  # (1, N + 1, h, w)
    flow: Tensor  # (1, h, w, 2)
    visible: Tensor  # (1, 1, h, w)


def flow(
    networks: Networks, image: Tensor, source: Regions, driving: Regions, matrix: Tensor
) -> Flow:
    """Combine the motion of the background with those of the regions."""
    prefix = "pixelwise_flow_predictor."
    part = {
        name.removeprefix(prefix): tensor
        for name, tensor in networks["generator"].items()
        if name.startswith(prefix)
    }
    small = _shrink(image)
    height, width = small.shape[2:]
    grid = _grid(height, width)
    homogeneous = torch.cat((grid, torch.ones(height, width, 1)), dim=-1)
    flows = [(homogeneous @ matrix.T)[..., :2]]
    heatmaps = [torch.zeros(height, width)]
    for k in range(len(source.means)):
        linear = source.axes[k] @ torch.linalg.inv(driving.axes[k])
        linear = linear * torch.sign(linear[0, 0])
        flows.append((grid - driving.means[k]) @ linear.T + source.means[k])
        heatmaps.append(_bell(grid, driving, k) - _bell(grid, source, k))
    channels = []
    for heatmap, moved in zip(heatmaps, flows, strict=True):
        warped = F.grid_sample(small, moved[None], align_corners=False)
        channels += [heatmap[None, None], warped]
    features = _hourglass(part, "hourglass.encoder", "hourglass.decoder", torch.cat(channels, 1))
    masks = F.conv2d(features, part["mask.weight"], part["mask.bias"], padding=3).softmax(1)
    visible = F.conv2d(features, part["occlusion.weight"], part["occlusion.bias"], padding=3)
    combined = sum(masks[0, k, ..., None] * moved for k, moved in enumerate(flows))
    assert isinstance(combined, Tensor)
    return Flow(masks, combined[None], visible.sigmoid())


def generate(networks: Networks, image: Tensor, motion: Flow) -> Tensor:  # (1, 3, H, W)
    """Generate the frame, with skip connections at every level and at the end."""
    part = networks["generator"]
    levels = [_block(part, "first", image)]
    for i in range(2):
        levels.append(F.avg_pool2d(_block(part, f"down_blocks.{i}", levels[-1]), 2))
    out = _mix(levels[2], torch.zeros_like(levels[2]), motion)
    for i in range(6):
        inner = F.conv2d(
            F.relu(_norm(part, f"bottleneck.r{i}.norm1", out)),
            part[f"bottleneck.r{i}.conv1.weight"],
            part[f"bottleneck.r{i}.conv1.bias"],
            padding=1,
        )
        inner = F.conv2d(
            F.relu(_norm(part, f"bottleneck.r{i}.norm2", inner)),
            part[f"bottleneck.r{i}.conv2.weight"],
            part[f"bottleneck.r{i}.conv2.bias"],
            padding=1,
        )
        out = out + inner
    for i in range(2):
        out = _up(part, f"up_blocks.{i}", _mix(levels[2 - i], out, motion))
    out = _mix(levels[0], out, motion)
    out = torch.sigmoid(F.conv2d(out, part["final.weight"], part["final.bias"], padding=3))
    return _mix(image, out, motion)


def avd(networks: Networks, source: Regions, driving: Regions) -> Tensor:  # (N, 6)
    """Put the driving pose on the source's shape: means and axes."""
    part = networks["avd_network"]
    turned = [
        a * torch.sign((a @ torch.linalg.inv(b))[0, 0])
        for a, b in zip(source.axes, driving.axes, strict=True)
    ]
    identity = torch.cat((source.means, torch.stack(turned).flatten(1)), dim=1)
    pose = torch.cat((driving.means, driving.axes.flatten(1)), dim=1)
    codes = [
        _perceptron(part, name, numbers.reshape(1, -1))
        for name, numbers in (("pose_encoder", pose), ("id_encoder", identity))
    ]
    return _perceptron(part, "decoder", torch.cat(codes, dim=1)).view(-1, 6)


def _perceptron(part: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    for place in (0, 3, 6, 9):
        x = F.linear(x, part[f"{name}.{place}.weight"], part[f"{name}.{place}.bias"])
        if place < 9:
            x = F.relu(_norm(part, f"{name}.{place + 1}", x))
    return x


def _bell(grid: Tensor, of: Regions, k: int) -> Tensor:
    offset = grid - of.means[k]
    inverse = torch.linalg.inv(of.covariances[k])
    return torch.exp(-0.5 * torch.einsum("yxi,ij,yxj->yx", offset, inverse, offset))


def _mix(level: Tensor, decoded: Tensor, motion: Flow) -> Tensor:
    size = level.shape[2:]
    flow, visible = motion.flow.permute(0, 3, 1, 2), motion.visible
    if flow.shape[2:] != size:
        flow = F.interpolate(flow, size, mode="bilinear", align_corners=False)
        visible = F.interpolate(visible, size, mode="bilinear", align_corners=False)
    warped = F.grid_sample(level, flow.permute(0, 2, 3, 1), align_corners=False)
    return visible * warped + (1 - visible) * decoded


def _grid(height: int, width: int) -> Tensor:  # (height, width, 2), (x, y)
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    return torch.stack((x, y), dim=-1)


def _shrink(image: Tensor) -> Tensor:
    """Blur, then keep every fourth pixel."""
    offsets = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1.0)
    bell = torch.exp(-(offsets**2) / (2 * _BLUR_SIGMA**2))
    kernel = torch.outer(bell, bell) / bell.sum() ** 2
    blurred = F.conv2d(image, kernel.expand(3, 1, *kernel.shape), padding=_BLUR_RADIUS, groups=3)
    return blurred[:, :, ::4, ::4]


def _hourglass(part: dict[str, Tensor], encoder: str, decoder: str, x: Tensor) -> Tensor:
    skips = _encoder(part, encoder, x)
    out = skips.pop()
    for i in range(len(skips)):
        out = torch.cat((_up(part, f"{decoder}.up_blocks.{i}", out), skips.pop()), dim=1)
    return out


def _encoder(part: dict[str, Tensor], name: str, x: Tensor) -> list[Tensor]:
    levels = [x]
    while f"{name}.down_blocks.{len(levels) - 1}.conv.weight" in part:
        block = f"{name}.down_blocks.{len(levels) - 1}"
        levels.append(F.avg_pool2d(_block(part, block, levels[-1]), 2))
    return levels


def _up(part: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return _block(part, name, x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


def _block(part: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    weight = part[f"{name}.conv.weight"]
    convolved = F.conv2d(x, weight, part[f"{name}.conv.bias"], padding=weight.shape[-1] // 2)
    return F.relu(_norm(part, f"{name}.norm", convolved))


def _norm(part: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.batch_norm(
        x,
        part[f"{name}.running_mean"],
        part[f"{name}.running_var"],
        part[f"{name}.weight"],
        part[f"{name}.bias"],
    )
