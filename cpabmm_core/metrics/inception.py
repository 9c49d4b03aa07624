"""Inception, the network behind FID."""

import io
from pathlib import Path

import torch
from torch import nn

from cpabmm_core.errors import CheckpointError
from cpabmm_core.metrics.extractors.options import require_package
from cpabmm_core.models.frozen.weights import WeightFile, read_weights

FEATURES = 2048
"""Dimension of an image's features."""

INCEPTION_FILE = WeightFile(
    what="TensorFlow's Inception of 2015-12-05, converted for PyTorch",
    name="weights-inception-2015-12-05-6726825d.pth",
    source=(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth"
    ),
    megabytes=96,
    key="weights fid=PATH",
    sha256="6726825d",
    licence="Apache-2.0",
)


def load_inception(path: Path) -> nn.Module:
    """Load torch-fidelity's network, which maps (N, 3, H, W) uint8 to a tuple of one (N, 2048).

    The network resizes images to 299 x 299 as TensorFlow 1 does, and published values of FID depend
    on this.

    Raises:
        CheckpointError: the file is damaged or holds another network.
        ConfigError: torch-fidelity is not installed.
    """
    name = "torch_fidelity.feature_extractor_inceptionv3"
    module = require_package(name, "FID", "quality")
    tensors = read_weights(path, INCEPTION_FILE.what)
    # The constructor unpickles its argument, so it gets the tensors that were read safely.
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    buffer.seek(0)
    try:
        network: nn.Module = module.FeatureExtractorInceptionV3(
            "inception-v3-compat", [str(FEATURES)], feature_extractor_weights_path=buffer
        )
    except RuntimeError:
        raise CheckpointError(
            f"{path}: not {INCEPTION_FILE.what} (its tensors have other names or shapes); "
            "give the file of that network"
        ) from None
    return network.requires_grad_(False).eval()
