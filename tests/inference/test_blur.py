"""The blur against torchvision's, in float64."""

import pytest
import torch
from torchvision.transforms.functional import gaussian_blur as torchvisions

from cpabmm_core.inference.blur import gaussian_blur


@pytest.mark.parametrize("shape", [(1, 3, 7, 7), (2, 1, 21, 64), (3, 5, 40, 33)])
@pytest.mark.parametrize(("deviation", "window"), [(2.0, 13), (0.7, 3), (5.0, 1)])
def test_equals_torchvisions(shape: tuple[int, ...], deviation: float, window: int) -> None:
    images = torch.rand(shape, dtype=torch.float64)
    expected = torchvisions(images, [window, window], [deviation, deviation])
    torch.testing.assert_close(gaussian_blur(images, deviation, window), expected)


def test_keeps_the_type_of_the_images() -> None:
    assert gaussian_blur(torch.rand(1, 3, 8, 8).half(), 1.0, 5).dtype == torch.float16
