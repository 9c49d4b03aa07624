"""Types of NumPy arrays that several rooms share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
"""float32 or float64."""
Frame = NDArray[np.uint8]
"""(H, W, 3) RGB."""
