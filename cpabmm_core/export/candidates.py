"""What another program needs to know in order to compute the candidate motions."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cpabmm_core.cpab import VelocitySpace, adam, gauss_newton, prior, smoothness_precision
from cpabmm_core.cpab.axes import descent_axes
from cpabmm_core.geometry.tps import REGULARISATION
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.cpab_motion import CpabMotion

SPACES_FILE = "cpab.safetensors"
"""File with the constants of the velocity spaces."""


def describe_candidates(model: AnimationModel) -> dict[str, Any]:
    """Return the family of the candidate motions and all settings that determine them."""
    motion = model.candidate_motion
    described: dict[str, Any] = {
        "family": model.motion_kind,
        "count": motion.count + 1,
        "size": list(model.dense_motion.flow_size((model.frame_size, model.frame_size))),
        "order": "background first",
    }
    if isinstance(motion, CpabMotion):
        described |= {"groups": motion.groups, "fit": _fit_settings(motion), "file": SPACES_FILE}
    elif model.motion_kind == "tps":
        described |= {"groups": motion.count, "regularisation": REGULARISATION}
    else:
        described["undirected"] = motion.undirected
    return described


def space_tensors(model: AnimationModel) -> dict[str, Tensor]:
    """Return the constants of a model's velocity spaces, float64; none without CPAB motion.

    For the groups and for the global transformation (``groups.`` and ``global.``): ``basis``
    (dim, cells, 2, 3), whose combinations by theta are the affine velocity maps of the cells;
    ``half_planes`` (cells, 4, 3), of which a point of a cell satisfies a x + b y + c >= 0;
    ``precision`` (dim, dim) of the prior; with the solver ``adam`` instead ``axes`` (dim, dim), the
    directions in which it descends.
    """
    motion = model.candidate_motion
    if not isinstance(motion, CpabMotion):
        return {}
    tensors: dict[str, Tensor] = {}
    for name, space in _spaces(motion).items():
        constants = {"basis": space.basis, "half_planes": space.tensor("half_planes", space.basis)}
        if motion.solver == "adam":
            constants["axes"] = descent_axes(space)
        else:
            constants["precision"] = smoothness_precision(space, _length_scale(motion))
        tensors |= {f"{name}.{key}": each.contiguous() for key, each in constants.items()}
    return tensors


def _length_scale(motion: CpabMotion) -> float:
    return prior.LENGTH_SCALE if motion.length_scale is None else motion.length_scale


def _spaces(motion: CpabMotion) -> Mapping[str, VelocitySpace]:
    spaces = {"groups": motion.local_space}
    if motion.global_space is not None:
        spaces["global"] = motion.global_space
    return spaces


def _fit_settings(motion: CpabMotion) -> dict[str, Any]:
    limits = {"groups": motion.iterations, "global": motion.global_iterations}
    is_adam = motion.solver == "adam"
    default = adam.ITERATIONS if is_adam else gauss_newton.ITERATIONS
    settings: dict[str, Any] = {"solver": motion.solver, "coordinates": "unit square [0, 1]"}
    if not is_adam:
        settings["noise"] = gauss_newton.NOISE
        settings["prior"] = {
            "length_scale": _length_scale(motion),
            "translation": prior.TRANSLATION,
        }
    for name, space in _spaces(motion).items():
        limit = limits[name]
        settings[name] = {
            "cells": [space.tessellation.nx, space.tessellation.ny],
            "boundary": space.boundary,
            "volume_preserving": space.volume_preserving,
            "dim": space.dim,
            "iterations": default if limit is None else limit,
        }
    return settings
