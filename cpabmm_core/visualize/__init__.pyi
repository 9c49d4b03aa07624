"""The public interface of the package."""

from .canvas import Colour as Colour
from .canvas import Picture as Picture
from .fields import plot_velocity_field as plot_velocity_field
from .grids import overlay_grid as overlay_grid
from .grids import plot_deformation_grid as plot_deformation_grid
from .heat import heat_map as heat_map
from .keypoints import overlay_keypoints as overlay_keypoints
from .layout import side_by_side as side_by_side
from .tessellation import plot_tessellation as plot_tessellation
from .transformation import plot_transformation as plot_transformation
