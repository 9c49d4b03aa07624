"""Metrics of generated frames and videos, as the field computes them.

Functions compute a metric of arrays: `l1`, `average_keypoint_distance` and others. `Evaluation`
computes several metrics of videos in one pass.

Example:
    >>> import numpy as np
    >>> from cpabmm_core.metrics import l1
    >>> l1(np.zeros((1, 2, 2, 3)), np.full((1, 2, 2, 3), 0.25))
    0.25
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
