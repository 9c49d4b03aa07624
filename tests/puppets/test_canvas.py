"""Signed distances and coverage, compared with shapes of known distance or area."""

import numpy as np
import pytest

from cpabmm_core.puppets.canvas import Canvas, Fill, Layer
from cpabmm_core.puppets.shapes import Capsule, Ellipse, Polygon, Shape
from cpabmm_core.puppets.texture import Pattern, Texture

WHITE = (1.0, 1.0, 1.0)
X = np.arange(40, dtype=np.float32)[None]
Y = np.arange(40, dtype=np.float32)[:, None]
SQUARE = np.array([[8.3, 9.1], [27.8, 9.1], [27.8, 28.6], [8.3, 28.6]])
STAR = np.array([[5, 5], [20, 14], [35, 5], [26, 20], [35, 35], [20, 26], [5, 35], [14, 20.0]])


def render_shape(shape: Shape, texture: Texture | None = None, outline: float = 0.0) -> Canvas:
    canvas = Canvas(np.zeros((40, 40, 3), np.float32), unit=40.0)
    fill = Fill(texture or Texture(WHITE, WHITE), roundness=0.0)
    canvas.add(Layer("shape", ((shape, fill),), (1.0, 0.0, 0.0), outline), 0)
    return canvas


def polygon_area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (Capsule(np.array([10.2, 12.7]), np.array([28.4, 25.1]), 5.0, 5.0),
         np.pi * 25 + 10 * np.hypot(18.2, 12.4)),
        (Ellipse(np.array([19.7, 20.3]), 13.0, 7.0, (0.8, 0.6)), np.pi * 13 * 7),
        (Ellipse(np.array([20.0, 20.0]), 9.0, 9.0,
                 cut=(np.array([20.0, 20.0]), np.array([0.6, 0.8]))), np.pi * 81 / 2),
        (Polygon(SQUARE), polygon_area(SQUARE)),
        (Polygon(STAR), polygon_area(STAR)),
    ],
)  # fmt: skip
def test_coverage_adds_up_to_the_area(shape: Shape, area: float) -> None:
    image = render_shape(shape).image
    assert image[..., 0].sum() == pytest.approx(area, rel=0.015)
    edge = (image[..., 0] > 0.05) & (image[..., 0] < 0.95)
    assert edge.sum() > 20


def test_capsule_distance_is_exact() -> None:
    start, end = np.array([9.0, 11.0]), np.array([27.0, 23.0])
    field = Capsule(start, end, 4.0, 4.0).field(X, Y)
    share = np.linspace(0, 1, 20001)[:, None]
    axis = start + share * (end - start)
    for x, y in [(3, 4), (20, 30), (35, 25), (18, 17)]:
        nearest = np.hypot(*(axis - (x, y)).T).min()
        assert field.distance[y, x] == pytest.approx(nearest - 4.0, abs=1e-3)


@pytest.mark.parametrize(
    "shape",
    [
        Capsule(np.array([14.0, 9.0]), np.array([24.0, 28.0]), 6.0, 3.0),
        Ellipse(np.array([20.0, 18.0]), 12.0, 6.0, (0.6, 0.8)),
        Polygon(STAR, 1.5),
    ],
)
def test_bounds_contain_the_shape(shape: Shape) -> None:
    left, top, right, bottom = shape.bounds()
    rows, columns = np.nonzero(shape.field(X, Y).distance < 0)
    assert columns.min() >= left
    assert columns.max() <= right
    assert rows.min() >= top
    assert rows.max() <= bottom


def test_shapes_may_leave_the_image() -> None:
    render_shape(Capsule(np.array([-30.0, -30.0]), np.array([-20.0, -25.0]), 4.0, 4.0))
    image = render_shape(Ellipse(np.array([0.0, 0.0]), 10.0, 10.0)).image
    assert image[..., 0].sum() == pytest.approx(np.pi * 100 / 4 + 10, rel=0.02)


def test_outline_surrounds_the_fill() -> None:
    canvas = render_shape(Ellipse(np.array([20.0, 20.0]), 10.0, 10.0), outline=2.0)
    red = canvas.image[..., 0] - canvas.image[..., 1]
    assert red.sum() == pytest.approx(np.pi * (12**2 - 10**2), rel=0.02)
    assert canvas.image[20, 20].tolist() == [1.0, 1.0, 1.0]


def test_later_layers_cover_earlier_ones() -> None:
    canvas = Canvas(np.zeros((40, 40, 3), np.float32), unit=40.0)
    for number, centre in enumerate((16.0, 24.0)):
        shape = Ellipse(np.array([centre, 20.0]), 8.0, 8.0)
        colour = (float(number), 1.0 - number, 0.0)
        part = (shape, Fill(Texture(colour, colour), roundness=0.0))
        canvas.add(Layer("ball", (part,), WHITE, 0.0), number)
    assert canvas.image[20, 20].tolist() == [1.0, 0.0, 0.0]
    assert canvas.top[20, [4, 10, 20, 30]].tolist() == [-1, 0, 1, 1]


@pytest.mark.parametrize(("pattern", "share"), [("rings", 0.5), ("stripes", 0.5), ("checks", 0.5),
                                                ("dots", np.pi * 0.3**2)])  # fmt: skip
def test_patterns_cover_their_share(pattern: Pattern, share: float) -> None:
    along, across = np.meshgrid(np.arange(400) / 100, np.arange(400) / 100, indexing="ij")
    texture = Texture(WHITE, WHITE, pattern, period=0.5)
    covered = texture.coverage(along + 1e-3, across + 1e-3, pixel=0.01)
    assert covered is not None
    assert covered.mean() == pytest.approx(share, abs=0.01)
    assert set(np.round(covered.ravel(), 6)) - {0.0, 1.0}


def test_texture_moves_with_its_limb() -> None:
    texture = Texture(WHITE, (0.0, 0.0, 1.0), "rings", period=0.2)
    upright = render_shape(
        Capsule(np.array([20.0, 8.0]), np.array([20.0, 32.0]), 6.0, 6.0), texture
    )
    level = render_shape(Capsule(np.array([8.0, 20.0]), np.array([32.0, 20.0]), 6.0, 6.0), texture)
    assert np.allclose(upright.image, level.image.transpose(1, 0, 2), atol=1e-5)
