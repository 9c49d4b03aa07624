"""The extractor ``puppets``: its joints, its networks, and the function that opens it.

Example:
    >>> from cpabmm_core.metrics.extractors import Request
    >>> from cpabmm_core.metrics.extractors.puppets import open_extractor
    >>> open_extractor(Request(device="cpu")).info.name
    'puppets'
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
