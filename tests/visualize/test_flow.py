import colorsys
import math

import numpy as np
import pytest

from cpabmm_core.visualize import plot_flow, plot_flow_wheel


@pytest.mark.parametrize("degrees", range(0, 360, 15))
@pytest.mark.parametrize("distance", [0.0, 0.3, 1.0, 5.0])
def test_hue_is_the_direction_and_saturation_the_distance(degrees: int, distance: float) -> None:
    angle = math.radians(degrees)
    movement = np.array([[[math.cos(angle), math.sin(angle)]]]) * distance
    red, green, blue = plot_flow(movement, top=2.0)[0, 0] / 255
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    share = min(distance / 2, 1)
    assert saturation == pytest.approx(share, abs=0.01)
    if share:
        difference = abs(hue - degrees / 360)
        assert min(difference, 1 - difference) < 0.01


def test_a_legend_has_the_colours_of_the_movements_and_white_corners() -> None:
    wheel = plot_flow_wheel(101)
    assert (wheel[0, 0] == 255).all()
    assert (wheel[50, 50] == 255).all()
    for x, y in ((100, 50), (50, 100), (0, 50), (70, 30)):
        movement = np.array([[[x / 50 - 1, y / 50 - 1]]])
        np.testing.assert_array_equal(wheel[y, x], plot_flow(movement, top=1)[0, 0])


def test_large_movements_of_any_type_do_not_fail() -> None:
    movement = np.array([[[1e6, -1e6], [0, 0]]], np.float32)
    assert plot_flow(movement, top=0.5).shape == (1, 2, 3)
