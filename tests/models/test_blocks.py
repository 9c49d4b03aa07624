import pytest
import torch

from cpabmm_core.models.blocks import AntiAliasDownsample, Hourglass


@pytest.mark.parametrize("factor", [2, 4])
def test_downsample_blurs_and_takes_every_factor_th_pixel(factor: int) -> None:
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 16, 12] = 1.0
    small = AntiAliasDownsample(factor)(image)
    sigma = (factor - 1) / 2
    y, x = torch.meshgrid(*[torch.arange(0.0, 32.0, factor)] * 2, indexing="ij")
    expected = torch.exp(-((y - 16) ** 2 + (x - 12) ** 2) / (2 * sigma**2))
    torch.testing.assert_close(small[0, 0] / small.max(), expected, rtol=0, atol=2e-3)


def test_downsample_keeps_a_constant_away_from_the_border() -> None:
    small = AntiAliasDownsample(4)(torch.full((1, 3, 40, 40), 0.7))
    torch.testing.assert_close(small[..., 2:-2, 2:-2], torch.full((1, 3, 6, 6), 0.7))


def test_hourglass_states_the_channels_of_each_decoder_level() -> None:
    hourglass = Hourglass(in_channels=5, block_expansion=4, max_features=12, blocks=3)
    levels = hourglass(torch.rand(2, 5, 16, 24))
    assert [level.shape[1] for level in levels] == hourglass.out_channels == [24, 16, 9]
    assert [tuple(level.shape[2:]) for level in levels] == [(4, 6), (8, 12), (16, 24)]


def test_finest_hourglass_level_ends_with_the_input() -> None:
    hourglass = Hourglass(in_channels=5, block_expansion=4, max_features=12, blocks=2)
    image = torch.rand(1, 5, 8, 8)
    assert torch.equal(hourglass(image)[-1][:, -5:], image)
