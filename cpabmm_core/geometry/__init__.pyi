"""The public interface of the package."""

from .affine import apply_affine as apply_affine
from .coordinates import from_pixels as from_pixels
from .coordinates import from_unit_square as from_unit_square
from .coordinates import identity_grid as identity_grid
from .coordinates import to_pixels as to_pixels
from .coordinates import to_unit_square as to_unit_square
from .local_affine import have_jacobians as have_jacobians
from .local_affine import jacobians as jacobians
from .local_affine import positions as positions
from .local_affine import with_jacobians as with_jacobians
from .registration import register_affine as register_affine
from .tps import ThinPlateSpline as ThinPlateSpline
from .tps import fit_tps as fit_tps
from .tps import random_tps as random_tps
from .warping import resize_flow as resize_flow
from .warping import warp as warp
