"""Coordinates, affine maps, thin-plate splines and image warping.

The names below are the public interface; the stub ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
