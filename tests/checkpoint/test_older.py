from cpabmm_core.checkpoint.older import updated
from cpabmm_core.config import Config, config_from_dict


def test_keys_of_older_versions_become_todays() -> None:
    stored = {
        "losses": {"reconstruction_kind": "auto", "vgg_weights": "vgg.pth", "warp": 3.0},
        "training": {"gradient_clip": 10.0, "epochs": 7},
    }
    before = repr(stored)
    config = config_from_dict(updated(stored), "old")
    assert config.losses.reconstruction_kind == "perceptual"
    assert str(config.losses.perceptual.weights) == "vgg.pth"
    assert (config.losses.warp, config.training.epochs) == (3.0, 7)
    assert repr(stored) == before


def test_todays_configuration_stays_as_it_is() -> None:
    today = Config().model_dump(mode="json")
    assert updated(today) == today
