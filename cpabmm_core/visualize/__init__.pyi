"""The public interface of the package."""

from .canvas import Colour as Colour
from .canvas import Picture as Picture
from .contributions import candidate_colours as candidate_colours
from .contributions import plot_contributions as plot_contributions
from .fields import plot_velocity_field as plot_velocity_field
from .flow import plot_flow as plot_flow
from .flow import plot_flow_wheel as plot_flow_wheel
from .grids import overlay_grid as overlay_grid
from .grids import plot_deformation_grid as plot_deformation_grid
from .heat import heat_map as heat_map
from .keypoints import overlay_keypoints as overlay_keypoints
from .layout import side_by_side as side_by_side
from .tessellation import plot_tessellation as plot_tessellation
from .transformation import plot_transformation as plot_transformation
