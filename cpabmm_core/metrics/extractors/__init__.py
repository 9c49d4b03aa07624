"""Extractors: networks that find keypoints and identities in frames, for AKD, MKR and AED.

Example:
    >>> import numpy as np
    >>> from cpabmm_core.metrics.extractors import Request, open_keypoint_extractor
    >>> extractor = open_keypoint_extractor("puppets", Request(device="cpu"))
    >>> extractor.keypoints(np.zeros((2, 96, 96, 3), np.uint8)).shape
    (2, 37, 2)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
