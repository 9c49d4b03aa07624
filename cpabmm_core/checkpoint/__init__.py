"""Checkpoints: model weights with their configuration, published checkpoints, bundled models.

Example:
    >>> from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
    >>> model, config, record = open_checkpoint(find_checkpoint("puppets"))
    >>> config.model.motion
    'cpab'
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
