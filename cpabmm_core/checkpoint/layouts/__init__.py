"""Layouts of published checkpoints, and the names of their tensors in cpabmm."""

from cpabmm_core.checkpoint.layouts.fomm import FOMM
from cpabmm_core.checkpoint.layouts.layout import Layout, Tensors
from cpabmm_core.checkpoint.layouts.mraa import MRAA
from cpabmm_core.checkpoint.layouts.own import OWN, OWN_VERSION_1, is_own, own_layout
from cpabmm_core.checkpoint.layouts.tpsmm import PAPER, TPSMM

__all__ = ["LAYOUTS", "Layout", "Tensors", "is_own", "own_layout"]

LAYOUTS = (TPSMM, PAPER, FOMM, MRAA, OWN, OWN_VERSION_1)
"""All layouts that can be read. The first one that matches a file applies."""
