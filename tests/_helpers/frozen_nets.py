"""Small or random-weight instances of the frozen networks, without a download."""

from pathlib import Path

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models import vgg19
from torchvision.models.detection import keypointrcnn_resnet50_fpn

VIT_WIDTH, VIT_HEADS, VIT_SIDE, VIT_PATCH = 12, 3, 16, 8


def tiny_vit(seed: int = 0, *, size: int = VIT_SIDE, qk_norm: bool = False) -> VisionTransformer:
    """Build a vision transformer of three small blocks, for images of `size` pixels."""
    network = VisionTransformer(
        img_size=size,
        patch_size=VIT_PATCH,
        embed_dim=VIT_WIDTH,
        depth=3,
        num_heads=VIT_HEADS,
        num_classes=0,
        qk_norm=qk_norm,
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():  # norms and biases too, as in a trained network
            parameter.normal_(0, 0.3, generator=generator)
    return network


def vgg19_layers() -> nn.Sequential:
    """Build the convolutions of torchvision's VGG-19, without its large classifier."""
    with torch.device("meta"):
        layers: nn.Sequential = vgg19(weights=None).features
    layers.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.uniform_(-0.05, 0.05, generator=generator)
    return layers


def write_keypoint_rcnn(path: Path) -> None:
    """Save random weights of torchvision's Keypoint R-CNN at its full size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()
        for name, value in state.items():
            if name.endswith("running_var"):  # small enough to expose an epsilon of 1e-5
                value.uniform_(5e-5, 15e-5)
                state[name.replace("running_var", "weight")].fill_(0.01)
            elif "fpn.layer_blocks" in name:  # otherwise every score would be 0 or 1
                value.div_(30)
    torch.save(state, path)
