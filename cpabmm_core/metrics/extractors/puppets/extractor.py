"""The extractor ``puppets``: joints and identity of procedural puppets, by bundled networks."""

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
from cpabmm_core.files.checks import one_line
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import check_options
from cpabmm_core.metrics.extractors.puppets.joints import BIPED, JOINT_NAMES, QUADRUPED
from cpabmm_core.metrics.extractors.puppets.networks import (
    EMBEDDING,
    IDENTITY_SIDE,
    JOINTS_SIDE,
    IdentityNetwork,
    JointDetector,
)

NAME = "puppets"
_SHIFTS = ((0, 0), (2, 0), (0, 2), (2, 2))
"""Shifts by half a heatmap cell; the mean over them cancels most of the quantisation error."""
_VERSION = "1"
_COST = (
    "1.9 MB; 14 ms a frame for the joints, 1 ms more for the identity, on one core of a Xeon "
    "with AVX-512"
)


def open_extractor(request: Request) -> "PuppetExtractor":
    """Open the extractor, which has no options.

    Args:
        request: the device.

    Returns:
        An extractor of keypoints and of identities.

    Raises:
        ConfigError: an option is given.
        CheckpointError: the bundled weights are missing or damaged.
        ResourceError: the device is unavailable.

    Example:
        >>> open_extractor(Request(device="cpu")).info.name
        'puppets'
    """
    check_options(NAME, request, ())
    weights = _read_bundled_weights()
    detector, identity = JointDetector(len(JOINT_NAMES)), IdentityNetwork()
    _load_weights({"joints": detector, "identity": identity}, weights)
    return PuppetExtractor(
        detector, identity, hashlib.sha256(weights).hexdigest(), resolve_device(request.device)
    )


class PuppetExtractor:
    """Find the joints of a puppet, including occluded ones, and describe its identity.

    The joints are `JOINT_NAMES`. Joints that the character's body plan lacks are NaN.

    Args:
        detector: network that finds joints.
        identity: network that describes characters.
        digest: SHA-256 of the weights.
        device: the device on which the networks run.

    Example:
        >>> extractor = open_extractor(Request(device="cpu"))
        >>> black = np.zeros((1, 64, 64, 3), np.uint8)
        >>> bool(np.isnan(extractor.keypoints(black)).all())
        True
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
        """Return joints (x, y) in pixels; NaN for joints that the frame does not show."""
        found = np.full((len(frames), len(JOINT_NAMES), 2), np.nan)
        for number, frame in enumerate(frames):  # one by one: batching changes last digits
            image, scale = self._to_input(frame, JOINTS_SIDE)
            views = [F.pad(image, (x, 0, y, 0), mode="replicate") for x, y in _SHIFTS]
            output = self._detector(
                torch.cat([view[..., :JOINTS_SIDE, :JOINTS_SIDE] for view in views])
            )
            shown = _shown_joints(output.presence.mean(0).cpu().numpy())
            shifts = torch.tensor(_SHIFTS, device=self._device)[:, None]
            positions = (output.positions - shifts).mean(0).cpu().numpy().astype(np.float64)
            found[number, shown] = ((positions + 0.5) / scale - 0.5)[shown]
        return found

    @torch.inference_mode()
    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, D)
        """Return vectors of unit length; a row of NaN for a frame without joints."""
        found = np.full((len(frames), EMBEDDING), np.nan)
        has_joints = ~np.isnan(self.keypoints(frames)).all((1, 2))
        for number in np.flatnonzero(has_joints):
            image, _ = self._to_input(frames[number], IDENTITY_SIDE)
            found[number] = self._identity(image)[0].cpu().numpy()
        return found

    def _to_input(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
        side: int,
    ) -> tuple[Tensor, NDArray[np.float64]]:  # (1, 3, side, side) in [0, 1], (2,)
        """Resize a frame to the input of a network, and return the scale of x and y.

        A frame that is not square is padded at the bottom or right by its last row or column.
        """
        height, width = frame.shape[:2]
        share = side / max(height, width)
        size = max(1, round(height * share)), max(1, round(width * share))
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(self._device)
        image = image.permute(2, 0, 1)[None].float() / 255
        image = F.interpolate(image, size, mode="bilinear", antialias=True)
        image = F.pad(image, (0, side - size[1], 0, side - size[0]), mode="replicate")
        return image, np.array([size[1] / width, size[0] / height])


def _shown_joints(
    presence: NDArray[np.float32],  # (J,) logits
) -> NDArray[np.bool_]:  # (J,)
    """Return the mask of shown joints of the body plan that has more of them."""
    likely = presence > 0
    plan = BIPED if likely[BIPED].sum() >= likely[QUADRUPED].sum() else QUADRUPED
    shown: NDArray[np.bool_] = likely & plan
    return shown


def _read_bundled_weights() -> bytes:
    path = Path(str(resources.files("cpabmm_core") / "weights" / "puppet-extractor.safetensors"))
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{NAME}: the bundled weights cannot be read ({path}: {one_line(error)}); "
            "reinstall cpabmm"
        ) from None


def _load_weights(networks: dict[str, nn.Module], weights: bytes) -> None:
    """Load weights, which are stored in half precision, into the networks."""
    try:
        tensors = load(weights)
        for name, network in networks.items():
            own = network.state_dict()
            # Batch counters are used only in training and are not stored.
            for key in [key for key in own if not key.endswith("num_batches_tracked")]:
                own[key] = tensors[f"{name}.{key}"].float()
            network.load_state_dict(own)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{NAME}: the bundled weights are damaged ({one_line(error)}); reinstall cpabmm"
        ) from None
