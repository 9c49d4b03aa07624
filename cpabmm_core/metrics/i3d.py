"""I3D, the network behind FVD."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpabmm_core.models.frozen.weights import WeightFile, fill, read_weights

CLASSES: Final = 400
"""Number of classes of Kinetics-400, the dimension of a clip's features."""
SIDE: Final = 224
"""Side of the training frames, in pixels."""

I3D_FILE = WeightFile(
    what="I3D of TF-Hub's i3d-kinetics-400, converted for PyTorch",
    name="i3d_pretrained_400.pt",
    source=(
        "https://huggingface.co/spaces/LanguageBind/Open-Sora-Plan-v1.0.0/resolve/"
        "810fa8c4bdb3a4c8eec9bd57375c29bde6fb46de/opensora/eval/fvd/videogpt/i3d_pretrained_400.pt"
    ),
    megabytes=51,
    key="weights fvd=PATH",
    sha256="",  # none is published; the commit in the address pins the file
    licence="Apache-2.0",
)

_Triple = tuple[int, int, int]
_EPS = 1e-5
"""Epsilon of the normalisation in the network of TF-Hub; DeepMind's own release has 1e-3."""
_MIXED: dict[str, tuple[int, tuple[int, int, int, int, int, int]]] = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Input channels, and channels of the branches: 1x1; 1x1, 3x3; 1x1, 3x3; pooled."""


def pad_same(
    x: Tensor,  # (B, C, T, H, W)
    kernel: _Triple,
    stride: _Triple,
) -> Tensor:
    """Pad with zeros like TensorFlow's SAME: ceil(side / stride) outputs, surplus at the end."""
    sides = []
    for size, width, step in zip(x.shape[2:], kernel, stride, strict=True):
        missing = max((-(-size // step) - 1) * step + width - size, 0)
        sides.append((missing // 2, missing - missing // 2))
    return F.pad(x, [amount for side in reversed(sides) for amount in side])


class _Unit(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, side: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, side, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=_EPS)
        self._kernel, self._stride = (side,) * 3, (stride,) * 3

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(pad_same(x, self._kernel, self._stride))))


def _pool(x: Tensor, kernel: _Triple, stride: _Triple) -> Tensor:
    # Padding with zeros does not change the maximum: the input comes from a ReLU.
    return F.max_pool3d(pad_same(x, kernel, stride), kernel, stride)


class _Mixed(nn.Module):
    """An Inception module of four parallel branches."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.b0 = _Unit(inputs, widths[0])
        self.b1a, self.b1b = _Unit(inputs, widths[1]), _Unit(widths[1], widths[2], 3)
        self.b2a, self.b2b = _Unit(inputs, widths[3]), _Unit(widths[3], widths[4], 3)
        self.b3b = _Unit(inputs, widths[5])

    def forward(self, x: Tensor) -> Tensor:
        pooled = _pool(x, (3, 3, 3), (1, 1, 1))
        branches = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)
        return torch.cat(branches, 1)


class _Logits(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.conv3d(x))


class I3d(nn.Module):
    """Inflated Inception-v1 (Carreira and Zisserman, CVPR 2017), frozen.

    Tensor names follow the conversions that the field uses.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = _Unit(64, 64)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)
        for name, (inputs, widths) in _MIXED.items():
            self.add_module(name, _Mixed(inputs, widths))
        self.logits = _Logits(1024)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "I3d":
        """Stay in eval mode, because the network is frozen."""
        return super().train(False)

    def forward(
        self,
        clips: Tensor,  # (B, 3, T, 224, 224) in [-1, 1], T >= 9
    ) -> Tensor:  # (B, 400)
        """Return the logits before the softmax, averaged over time."""
        x = _pool(self.Conv3d_1a_7x7(clips), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in _MIXED:
            if name == "Mixed_3b":
                x = _pool(x, (1, 3, 3), (1, 2, 2))
            elif name == "Mixed_4b":
                x = _pool(x, (3, 3, 3), (2, 2, 2))
            elif name == "Mixed_5b":
                x = _pool(x, (2, 2, 2), (2, 2, 2))
            x = self.get_submodule(name)(x)
        x = F.avg_pool3d(x, (2, 7, 7), 1)
        return torch.as_tensor(self.logits(x).mean((2, 3, 4)))


def load_i3d(path: Path) -> I3d:
    """Read the tensors of a conversion of I3D without executing code from the file.

    Raises:
        CheckpointError: the file is damaged, holds another network, or is TorchScript.
    """
    tensors = read_weights(path, I3D_FILE.what)
    with torch.device("meta"):
        network = I3d()
    network.to_empty(device="cpu")
    # Older files lack the batch counters, which inference does not use.
    counts = {
        name: torch.zeros_like(value)
        for name, value in network.state_dict().items()
        if name.endswith(".num_batches_tracked")
    }
    fill(network, {**counts, **tensors}, path, I3D_FILE.what)
    return network
