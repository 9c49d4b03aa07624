"""Training losses, one per file. `losses.objective` combines them for training.

Each loss is a function of plain tensors, or a module that contains a frozen network. All return a
scalar. docs/concepts/losses.md maps the paper's equations to these files.

Example:
    >>> import torch
    >>> from cpabmm_core.losses import background_loss
    >>> background_loss(torch.eye(3)[None], torch.eye(3)[None])
    tensor(0.)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
