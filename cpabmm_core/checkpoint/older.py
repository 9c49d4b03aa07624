"""Upgrade of configurations and tensor names that older versions of cpabmm stored."""

import copy
from typing import Any

Values = dict[str, Any]

_FITS = {
    ("gauss-newton", True): "solve",
    ("gauss-newton", False): "detached",
    ("adam", False): "paper",
}
_ADAM_ITERATIONS = 200
"""Iterations of the paper's fit in an old configuration that states none."""
_RENAMED_IN_VERSION_2 = (
    ("inpainting.", "generator."),
    ("keypoint_detector.frames.", "keypoint_detector.jacobians."),
)
"""Prefixes of tensor names in format version 1, and their replacements."""


def current_name(name: str, version: int) -> str:
    """Return the current name of a tensor that a file of the given format version calls `name`.

    Example:
        >>> current_name("inpainting.stem.conv.weight", version=1)
        'generator.stem.conv.weight'
    """
    if version < 2:
        for old, new in _RENAMED_IN_VERSION_2:
            if name.startswith(old):
                return new + name.removeprefix(old)
    return name


def upgrade_config(values: Values) -> Values:
    """Return a stored configuration with the keys of this version; a current one stays unchanged.

    Keys that only training reads keep their meaning where a current key can express it.
    """
    values = copy.deepcopy(values)
    _upgrade_cpab(_section(_section(values, "model"), "cpab"))
    _upgrade_losses(_section(values, "losses"))
    _upgrade_training(_section(values, "training"))
    return values


def _section(values: Values, name: str) -> Values:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _upgrade_cpab(cpab: Values) -> None:
    """Replace ``solver`` and ``implicit_gradient`` by ``fit``."""
    if not cpab.keys() & {"solver", "implicit_gradient"} or "fit" in cpab:
        return
    old = (cpab.get("solver", "gauss-newton"), cpab.get("implicit_gradient", True))
    if old not in _FITS:
        return  # an unknown combination, which the reader of the configuration reports
    cpab["fit"] = _FITS[old]
    cpab.pop("solver", None)
    cpab.pop("implicit_gradient", None)
    if cpab["fit"] == "paper":
        cpab["paper_iterations"] = cpab.pop("iterations", None) or _ADAM_ITERATIONS


def _upgrade_losses(losses: Values) -> None:
    if losses.get("reconstruction_kind") == "auto":  # the record states the kind that was chosen
        del losses["reconstruction_kind"]
    weights = losses.pop("vgg_weights", None)
    if weights is not None:
        losses["perceptual"] = {"weights": weights}


def _upgrade_training(training: Values) -> None:
    training.pop(
        "gradient_clip", None
    )  # limited the norm over all networks, which no version clips any more
