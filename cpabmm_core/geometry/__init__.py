"""Coordinates, affine maps, thin-plate splines and image warping."""
