"""Pictures of keypoints, deformed grids, velocity fields and transformations.

``overlay_*`` functions return a copy of a picture with something added; ``plot_*`` functions make a
new one. The names below are the public interface; the stub ``__init__.pyi`` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
