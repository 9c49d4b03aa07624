"""Names of the bundled models, in a module that does not import torch."""

BUNDLED = {"puppets": "puppets.safetensors"}
"""File in ``cpabmm_core/weights`` of each bundled model, by the model's name."""

DEFAULT_CHECKPOINT = "puppets"
"""The model to use if none is given."""
