"""The public interface of the package."""

from .fits import fit_pairs as fit_pairs
from .moved_points import MovedPoints as MovedPoints
from .number_files import NumberFile as NumberFile
from .number_files import number_file as number_file
from .number_files import read_number_file as read_number_file
from .pair_formats import PAIR_SUFFIXES as PAIR_SUFFIXES
from .point_pairs import WEIGHT_SUFFIXES as WEIGHT_SUFFIXES
from .point_pairs import PointPairs as PointPairs
from .point_pairs import read_point_pairs as read_point_pairs
from .point_pairs import read_weights as read_weights
from .points import POINT_SUFFIXES as POINT_SUFFIXES
from .points import read_points as read_points
from .transformations import Residual as Residual
from .transformations import Transformation as Transformation
from .transformations import Transformations as Transformations
from .transformations import read_transformations as read_transformations
