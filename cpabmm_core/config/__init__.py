"""Typed configuration of a training run: data, model, losses and optimisation.

The models of this package are the only source of defaults. Unknown keys are errors. The shipped
configurations are package data in ``cpabmm_core/configs``.

Example:
    >>> from cpabmm_core.config import load_config
    >>> config = load_config("vox-256", ["training.batch_size=4"])
    >>> config.training.batch_size, config.data.repeats
    (4, 75)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
