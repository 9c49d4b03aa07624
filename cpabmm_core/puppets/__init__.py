"""Procedural articulated characters with their true joints, to train and test on."""

from cpabmm_core.puppets.render import PuppetVideo, render_puppet
from cpabmm_core.puppets.write import write_puppets

__all__ = ["PuppetVideo", "render_puppet", "write_puppets"]
