"""Augmentation: identical for both frames of a pair, with the right frequencies."""

import numpy as np
import pytest
import torch

from cpabmm_core.config import AugmentConfig
from cpabmm_core.data.augment import augment_pair

PLAIN = AugmentConfig(
    horizontal_flip=False, time_flip=False, brightness=0, contrast=0, saturation=0, hue=0
)


def test_both_frames_are_augmented_identically() -> None:
    image = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    pair = image.repeat(2, 1, 1, 1)
    config = AugmentConfig(resize=(0.8, 1.2), hue=0.5)
    for seed in range(8):
        source, driving = augment_pair(pair, config, np.random.default_rng(seed))
        torch.testing.assert_close(source, driving)
        assert source.shape == (3, 24, 24)
        assert source.min() >= 0
        assert source.max() <= 1


@pytest.mark.parametrize(
    ("time_flip", "horizontal_flip", "swapped", "mirrored"),
    [(True, True, 0.5, 0.25), (True, False, 0.5, 0), (False, True, 0, 0.5), (False, False, 0, 0)],
)
def test_pairs_are_flipped_in_time_or_in_space(
    time_flip: bool, horizontal_flip: bool, swapped: float, mirrored: float
) -> None:
    """Half of the pairs are flipped in time, half of the others in space, none in both."""
    ramp = torch.linspace(0, 1, 8).view(1, 1, 1, 8).expand(2, 3, 8, 8).clone()
    ramp[1, :, 0] = 1.0  # identifies the later frame
    config = PLAIN.model_copy(update={"horizontal_flip": horizontal_flip, "time_flip": time_flip})
    results = [augment_pair(ramp, config, np.random.default_rng(seed)) for seed in range(400)]
    in_time = [bool(r[0, 0, 0].min() == 1) for r in results]
    in_space = [bool(r[0, 0, 4, 0] > r[0, 0, 4, -1]) for r in results]
    # 4 standard deviations.
    assert np.mean(in_time) == pytest.approx(swapped, abs=0.1 if swapped else 0)
    assert np.mean(in_space) == pytest.approx(mirrored, abs=0.1 if mirrored else 0)
    assert not np.logical_and(in_time, in_space).any()
