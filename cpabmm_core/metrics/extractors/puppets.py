"""The extractor `puppets`: joints and identity of procedural puppets, by bundled networks."""

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from cpabmm_core.device import resolve_device
from cpabmm_core.errors import CheckpointError
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import check_options
from cpabmm_core.metrics.extractors.puppet_joints import BIPED, JOINT_NAMES, QUADRUPED
from cpabmm_core.metrics.extractors.puppet_networks import (
    EMBEDDING,
    IDENTITY_SIDE,
    JOINTS_SIDE,
    IdentityNetwork,
    JointDetector,
)

NAME = "puppets"
_SHIFTS = ((0, 0), (2, 0), (0, 2), (2, 2))
"""Half a cell of the heatmaps: the mean over these views is free of most of what the cells add."""
_VERSION = "1"
_COST = (
    "1.9 MB; 14 ms a frame for the joints, 1 ms more for the identity, on one core of a Xeon "
    "with AVX-512"
)


def open_extractor(request: Request) -> "PuppetExtractor":
    """Open the extractor; it takes no options.

    Raises:
        ConfigError: an option is given.
        CheckpointError: the bundled weights are missing or damaged.
        ResourceError: there is no such device.
    """
    check_options(NAME, request, ())
    weights = _bundled_weights()
    detector, identity = JointDetector(len(JOINT_NAMES)), IdentityNetwork()
    _fill({"joints": detector, "identity": identity}, weights)
    return PuppetExtractor(
        detector, identity, hashlib.sha256(weights).hexdigest(), resolve_device(request.device)
    )


class PuppetExtractor:
    """Finds a puppet's joints, hidden ones too, and describes who it is.

    The joints are `JOINT_NAMES`; those that the character's body plan lacks are NaN.
    """

    def __init__(
        self,
        detector: JointDetector,
        identity: IdentityNetwork,
        digest: str,
        device: torch.device,
    ) -> None:
        self.info = ExtractorInfo(name=NAME, version=_VERSION, weights=digest, cost=_COST)
        self._detector = detector.to(device).eval()
        self._identity = identity.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def keypoints(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, J, 2)
        """Joints (x, y) in pixels; NaN where one is not shown."""
        found = np.full((len(frames), len(JOINT_NAMES), 2), np.nan)
        for number, frame in enumerate(frames):  # one by one, so that no batch changes a digit
            image, scale = self._to_input(frame, JOINTS_SIDE)
            views = [F.pad(image, (x, 0, y, 0), mode="replicate") for x, y in _SHIFTS]
            seen = self._detector(
                torch.cat([view[..., :JOINTS_SIDE, :JOINTS_SIDE] for view in views])
            )
            shown = _shown(seen.presence.mean(0).cpu().numpy())
            shifts = torch.tensor(_SHIFTS, device=self._device)[:, None]
            positions = (seen.positions - shifts).mean(0).cpu().numpy().astype(np.float64)
            found[number, shown] = ((positions + 0.5) / scale - 0.5)[shown]
        return found

    @torch.inference_mode()
    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, D)
        """Vectors of unit length; a row of NaN where the frame has no joint."""
        found = np.full((len(frames), EMBEDDING), np.nan)
        there = ~np.isnan(self.keypoints(frames)).all((1, 2))
        for number in np.flatnonzero(there):
            image, _ = self._to_input(frames[number], IDENTITY_SIDE)
            found[number] = self._identity(image)[0].cpu().numpy()
        return found

    def _to_input(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
        side: int,
    ) -> tuple[Tensor, NDArray[np.float64]]:  # (1, 3, side, side) in [0, 1], (2,)
        """The frame at a network's size, and by how much its x and y were scaled.

        What is not square is filled up at the bottom or on the right by its last row or column.
        """
        height, width = frame.shape[:2]
        share = side / max(height, width)
        size = max(1, round(height * share)), max(1, round(width * share))
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(self._device)
        image = image.permute(2, 0, 1)[None].float() / 255
        image = F.interpolate(image, size, mode="bilinear", antialias=True)
        image = F.pad(image, (0, side - size[1], 0, side - size[0]), mode="replicate")
        return image, np.array([size[1] / width, size[0] / height])


def _shown(
    presence: NDArray[np.float32],  # (J,) logits
) -> NDArray[np.bool_]:  # (J,)
    """Which joints there are: of one body plan only, the one with more of its joints."""
    likely = presence > 0
    plan = BIPED if likely[BIPED].sum() >= likely[QUADRUPED].sum() else QUADRUPED
    shown: NDArray[np.bool_] = likely & plan
    return shown


def _bundled_weights() -> bytes:
    path = Path(str(resources.files("cpabmm_core") / "weights" / "puppet-extractor.safetensors"))
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{NAME}: the bundled weights cannot be read ({path}: {error.strerror}); "
            "install cpabmm again"
        ) from None


def _fill(networks: dict[str, nn.Module], weights: bytes) -> None:
    """Give the networks their weights, which are stored in half precision."""
    try:
        tensors = load(weights)
        for name, network in networks.items():
            own = network.state_dict()
            # Batch counts matter to training only and are not stored.
            for key in [key for key in own if not key.endswith("num_batches_tracked")]:
                own[key] = tensors[f"{name}.{key}"].float()
            network.load_state_dict(own)
    except (SafetensorError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{NAME}: the bundled weights are damaged ({reason}); install cpabmm again"
        ) from None
