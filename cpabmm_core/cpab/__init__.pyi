"""The public interface of the package."""

from .composition import compose as compose
from .fitting import FitResult as FitResult
from .fitting import fit as fit
from .image import Margin as Margin
from .image import warp_image as warp_image
from .image_batch import warp_batch as warp_batch
from .implied_noise import effective_noise as effective_noise
from .prior import smoothness_precision as smoothness_precision
from .sampling import sample as sample
from .solvers import SOLVERS as SOLVERS
from .space import VelocitySpace as VelocitySpace
from .tessellation import Tessellation as Tessellation
from .transformation import transform as transform
