"""Continuous piecewise-affine based (CPAB) transformations of the plane (Freifeld et al., 2017).

Points live in the unit square [0, 1]^2, x to the right and y downwards. A velocity field that is
affine in each triangle of a tessellation, and continuous everywhere, is integrated for one unit of
time. The result is a diffeomorphism; its inverse is the flow of the opposite field.

The names below are the public interface; the stub ``__init__.pyi`` lists them.

Example:
    >>> import torch
    >>> from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
    >>> space = VelocitySpace(Tessellation(4, 4), boundary="free")
    >>> source = torch.tensor([[[0.3, 0.4], [0.7, 0.6]]])
    >>> result = fit(space, source, source + 0.05)
    >>> moved = transform(space, result.theta, source)
    >>> torch.allclose(moved, source + 0.05, atol=1e-3)
    True
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
