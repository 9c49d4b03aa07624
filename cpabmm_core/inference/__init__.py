"""Inference with a trained model: animation, reconstruction and their building blocks.

`Animator` animates an image with the frames of a video. `reconstruct` regenerates a video from its
first frame, and `score_video` and `score_set` average the errors. `animate_video` and
`reconstruct_video` do the same from file to file.

Example:
    >>> from cpabmm_core.inference import FrameErrors, score_video
    >>> score_video([FrameErrors(l1=0.1, standing_still=0.2)]).l1
    0.1
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
