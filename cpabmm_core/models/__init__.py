"""The animation model and its networks.

`build_model` assembles an `AnimationModel` from a configuration; `cpabmm_core.load_model` reads a
trained one. The concepts are explained in ``docs/concepts/model.md``.

Example:
    >>> from cpabmm_core.models import TpsMotion
    >>> TpsMotion(groups=10).kind
    'tps'
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
