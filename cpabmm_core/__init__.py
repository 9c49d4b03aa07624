"""Image animation by continuous piecewise-affine based motion (CPABMM, AAAI 2024).

Example:
    >>> import cpabmm_core as cpabmm
    >>> model = cpabmm.load_model("puppets")  # doctest: +SKIP
    >>> frames = cpabmm.Animator(model).animate(source, driving_frames)  # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cpabmm_core.checkpoint.bundled import load_model
    from cpabmm_core.inference.animator import Animator

    __version__: str

__all__ = ["Animator", "__version__", "load_model"]

# Imported on first use: whoever needs only the version or the errors does not wait for torch.
_HOMES = {
    "Animator": "cpabmm_core.inference.animator",
    "load_model": "cpabmm_core.checkpoint.bundled",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("cpabmm")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
