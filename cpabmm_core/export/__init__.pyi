"""The public names of `cpabmm_core.export`."""

from .folder import export_onnx as export_onnx
