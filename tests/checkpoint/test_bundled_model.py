import os

import numpy as np

from cpabmm_core.checkpoint.header import read_header
from cpabmm_core.checkpoint.load import find_checkpoint, load_model
from cpabmm_core.config import load_config
from cpabmm_core.inference.reconstructor import reconstruct, score_video
from cpabmm_core.puppets import render_puppet

UNSEEN_SEED = 4711


def test_model_is_small_enough_to_ship() -> None:
    assert os.path.getsize(find_checkpoint("puppets")) < 30e6


def test_networks_and_fit_are_those_of_the_configuration() -> None:
    model = read_header(find_checkpoint("puppets")).config.model
    assert model.avd is not None
    assert model.model_copy(update={"avd": None}) == load_config("puppets-128").model
    assert (model.cpab.fit, model.cpab.iterations) == ("solve", 4)


def test_model_animates_unseen_puppets() -> None:
    """Two legs and four; docs/results/bundled-model.md has 20 other videos."""
    model = load_model("puppets", device="cpu")
    ratios = []
    for index in range(4):
        video = render_puppet(UNSEEN_SEED, index, split="test", frames=33, size=model.frame_size)
        frames = reconstruct(model, video.frames[::4], device="cpu")
        score = score_video(frame.errors for frame in frames)
        ratios.append(score.l1 / score.standing_still)
    assert max(ratios) < 1
    assert np.mean(ratios) < 0.6
