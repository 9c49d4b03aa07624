"""Reading and writing images, videos and clips.

Images are (H, W, 3) uint8 RGB arrays. Videos keep their timestamps and their sound.

Example:
    >>> import tempfile
    >>> import numpy as np
    >>> from cpabmm_core.media import read_image, write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/black.png", np.zeros((2, 3, 3), dtype=np.uint8))
    ...     read_image(f"{folder}/black.png").shape
    (2, 3, 3)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
