"""The families of readers to fuzz, one module each."""

import importlib

from fuzz.oracle import Target

TARGETS = ("pictures", "videos", "keypoints", "configurations", "checkpoints")
"""Their names."""


def load_target(name: str) -> Target:
    """Import a family of readers; some need seconds to import."""
    target: Target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    return target
