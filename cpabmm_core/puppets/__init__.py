"""Procedural articulated characters with known joints, for training and testing.

Puppets are two- and four-legged cartoon characters that walk, jump, dance or play in front of a
simple scene. Unlike real videos, they come with the true position and visibility of each joint.

Example:
    >>> from cpabmm_core.puppets import render_puppet
    >>> video = render_puppet(0, 0, split="test", frames=3, size=32)
    >>> video.frames.shape, video.frames.dtype
    ((3, 32, 32, 3), dtype('uint8'))
    >>> video.joints.shape[1] == len(video.joint_names)
    True
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
