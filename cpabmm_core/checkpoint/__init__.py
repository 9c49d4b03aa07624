"""Checkpoints: files of a model's weights with its configuration, and the bundled ones."""
