import numpy as np
import pytest
import torch
from PIL import Image

from cpabmm_core.inference.transparency import WHITE, key, on_matte, unmix


@pytest.mark.parametrize("matte", [WHITE, (0.0, 0.0, 0.0), (0.2, 0.7, 0.4)])
def test_unmixing_inverts_mixing(matte: tuple[float, float, float]) -> None:
    random = torch.Generator().manual_seed(0)
    colours = torch.rand(2, 3, 9, 7, generator=random)
    alpha = 0.05 + 0.95 * torch.rand(2, 1, 9, 7, generator=random)
    mixed = colours * alpha + torch.tensor(matte).view(1, 3, 1, 1) * (1 - alpha)
    unmixed = unmix(mixed, alpha, matte)
    torch.testing.assert_close(unmixed, torch.cat((colours, alpha), dim=1), rtol=0, atol=1e-4)


def test_the_matte_itself_may_be_clear() -> None:
    matte = (0.2, 0.7, 0.4)
    image = torch.tensor(matte).view(1, 3, 1, 1)
    torch.testing.assert_close(unmix(image, torch.zeros(1, 1, 1, 1), matte)[:, :3], image)
    assert unmix(image, torch.zeros(1, 1, 1, 1), matte)[0, 3] == 0
    assert key(image, matte) == 0


def test_the_key_rises_with_the_difference_from_the_matte() -> None:
    greys = torch.linspace(1, 0, 11).expand(1, 3, 1, 11)
    alpha = key(greys, WHITE).flatten()
    assert alpha[0] == 0
    assert (alpha[5:] == 1).all()
    assert (alpha.diff() >= 0).all()


def test_a_picture_is_put_on_the_matte_as_pillow_does() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    expected = Image.new("RGBA", (30, 20), (51, 102, 204, 255))
    expected.alpha_composite(Image.fromarray(picture))
    ours = on_matte(picture, (0.2, 0.4, 0.8)).astype(int)
    assert np.abs(ours - np.asarray(expected)[..., :3]).max() <= 1
