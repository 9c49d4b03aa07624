"""Configurations as older versions stored them, in today's keys."""

import copy
from typing import Any

Values = dict[str, Any]


def updated(values: Values) -> Values:
    """A stored configuration with the keys of this version; one of this version stays as it is.

    Keys that only training reads keep what they meant where there is a word for it today.
    """
    values = copy.deepcopy(values)
    _losses(_section(values, "losses"))
    _training(_section(values, "training"))
    return values


def _section(values: Values, name: str) -> Values:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _losses(losses: Values) -> None:
    if losses.get("reconstruction_kind") == "auto":  # the record says which it was
        del losses["reconstruction_kind"]
    weights = losses.pop("vgg_weights", None)
    if weights is not None:
        losses["perceptual"] = {"weights": weights}


def _training(training: Values) -> None:
    training.pop("gradient_clip", None)  # of the norm over all networks, which nothing does today
