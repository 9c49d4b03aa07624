"""Names of the bundled models; importing this does not import torch."""

BUNDLED = {"puppets": "puppets.safetensors"}
"""Name of a bundled model -> its file in ``cpabmm_core/weights``."""

DEFAULT_CHECKPOINT = "puppets"
"""The model that is taken where none is named."""
