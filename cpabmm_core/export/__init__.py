"""Export to ONNX, so that other programs can run a model without PyTorch.

`export_onnx` writes the networks of a model as graphs, with a manifest that says how to use them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
