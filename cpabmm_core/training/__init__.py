"""Training of animation models with Accelerate.

Example:
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from cpabmm_core.config import load_config
    >>> from cpabmm_core.training import TrainingRun, plan
    >>> with TemporaryDirectory() as folder:
    ...     run = TrainingRun(load_config("puppets-64"), Path(folder, "none"), Path(folder, "run"))
    ...     plan(run)
    Traceback (most recent call last):
    cpabmm_core.errors.DataError: ...
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
