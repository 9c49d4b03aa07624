"""Configurations and tensor names as older versions stored them, in today's words."""

import copy
from typing import Any

Values = dict[str, Any]

_FITS = {
    ("gauss-newton", True): "solve",
    ("gauss-newton", False): "detached",
    ("adam", False): "paper",
}
_ADAM_ITERATIONS = 200
"""What a paper's fit without a number took."""
_RENAMED_IN_VERSION_2 = (
    ("inpainting.", "generator."),
    ("keypoint_detector.frames.", "keypoint_detector.jacobians."),
)
"""Beginnings of tensor names in format version 1, and what they became."""


def current_name(name: str, version: int) -> str:
    """Return today's name of a tensor that a file of this format version calls `name`.

    Example:
        >>> current_name("inpainting.stem.conv.weight", version=1)
        'generator.stem.conv.weight'
    """
    if version < 2:
        for before, today in _RENAMED_IN_VERSION_2:
            if name.startswith(before):
                return today + name.removeprefix(before)
    return name


def upgrade_config(values: Values) -> Values:
    """Return a stored configuration with the keys of this version; a current one stays unchanged.

    Keys that only training reads keep their meaning as far as a current key expresses it.
    """
    values = copy.deepcopy(values)
    _cpab(_section(_section(values, "model"), "cpab"))
    _losses(_section(values, "losses"))
    _training(_section(values, "training"))
    return values


def _section(values: Values, name: str) -> Values:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _cpab(cpab: Values) -> None:
    """Replace ``solver`` and ``implicit_gradient`` by ``fit``."""
    if not cpab.keys() & {"solver", "implicit_gradient"} or "fit" in cpab:
        return
    old = (cpab.get("solver", "gauss-newton"), cpab.get("implicit_gradient", True))
    if old not in _FITS:
        return  # an unknown key, which reading the configuration reports
    cpab["fit"] = _FITS[old]
    cpab.pop("solver", None)
    cpab.pop("implicit_gradient", None)
    if cpab["fit"] == "paper":
        cpab["paper_iterations"] = cpab.pop("iterations", None) or _ADAM_ITERATIONS


def _losses(losses: Values) -> None:
    if losses.get("reconstruction_kind") == "auto":  # the record states which one it was
        del losses["reconstruction_kind"]
    weights = losses.pop("vgg_weights", None)
    if weights is not None:
        losses["perceptual"] = {"weights": weights}


def _training(training: Values) -> None:
    training.pop("gradient_clip", None)  # the norm over all networks, which is no longer clipped
