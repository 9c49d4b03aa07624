"""Pictures of what the model sees: keypoints, deformed grids, velocity fields, side by side."""

from cpabmm_core.visualize.fields import draw_velocity_field
from cpabmm_core.visualize.grids import draw_deformation_grid, draw_grid
from cpabmm_core.visualize.keypoints import draw_keypoints
from cpabmm_core.visualize.layout import side_by_side
from cpabmm_core.visualize.motions import draw_transformation
from cpabmm_core.visualize.painting import Picture

__all__ = [
    "Picture",
    "draw_deformation_grid",
    "draw_grid",
    "draw_keypoints",
    "draw_transformation",
    "draw_velocity_field",
    "side_by_side",
]
