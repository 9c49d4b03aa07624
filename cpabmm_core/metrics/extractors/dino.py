"""The extractor ``dino``: the class token of DINO's ViT-B/8, a proxy for identity.

Protocol: the whole frame is resized to 224 x 224 (bilinear, antialiased when it shrinks, without
keeping its aspect ratio) and normalised with ImageNet statistics. The token is taken after the last
block and the final norm.
"""

from dataclasses import replace

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from cpabmm_core.device import resolve_device
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import check_options
from cpabmm_core.metrics.extractors.weights import find_option_weights
from cpabmm_core.models.frozen.dino import DinoToken, dino_file, load_dino_token

_NAME = "dino"
_PROTOCOL = 1
_MODEL = "vit_base_patch8_224.dino"
_FILE = replace(dino_file(_MODEL), key="dino?weights=PATH")
_COST = f"{_FILE.megabytes} MB; about 2.5 s a frame on one core of a busy Xeon with AVX-512"


class Dino:
    """Describe frames of any size, each on its own.

    Args:
        network: computes the class token.
        info: description of the extractor.
        device: the device on which the network runs.
    """

    def __init__(self, network: DinoToken, info: ExtractorInfo, device: torch.device) -> None:
        self.info = info
        self._network = network.to(device)
        self._device = device

    @torch.inference_mode()
    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, D)
        """Return the class token of every frame."""
        # One by one, because the last digits would depend on the batch size.
        tokens = [self._token(frame) for frame in frames]
        return np.stack(tokens) if tokens else np.empty((0, self._network.transformer.num_features))

    def _token(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
    ) -> NDArray[np.float64]:  # (D,)
        image = torch.tensor(frame, device=self._device).permute(2, 0, 1)[None] / 255
        token: NDArray[np.float64] = self._network(image)[0].double().cpu().numpy()
        return token


def open_extractor(request: Request) -> Dino:
    """Open the extractor with the option ``weights``.

    Raises:
        ConfigError: an option is unknown, or the weights are missing and not downloaded.
        CheckpointError: the weights cannot be read.
        ResourceError: the device is unavailable.
    """
    check_options(_NAME, request, ("weights",))
    device = resolve_device(request.device)
    path = find_option_weights(request, _FILE)
    info = ExtractorInfo(
        name=_NAME,
        version=f"{_PROTOCOL}, timm {timm.__version__}",
        weights=file_sha256(path),
        cost=_COST,
    )
    return Dino(load_dino_token(_MODEL, path), info, device)
