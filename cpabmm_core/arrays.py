"""Types of NumPy arrays that several packages share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""float64 of any shape."""
IntArray = NDArray[np.int64]
"""int64 of any shape."""
Floats = NDArray[np.floating[Any]]
"""float32 or float64 of any shape."""
Frame = NDArray[np.uint8]
"""An RGB picture, (H, W, 3) uint8 in [0, 255]."""
