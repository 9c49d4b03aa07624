import pytest

from cpabmm_core.checkpoint.older import upgrade_config
from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.errors import ConfigError


def test_keys_of_older_versions_become_todays() -> None:
    stored = {
        "losses": {"reconstruction_kind": "auto", "vgg_weights": "vgg.pth", "warp": 3.0},
        "training": {"gradient_clip": 10.0, "epochs": 7},
    }
    before = repr(stored)
    config = config_from_dict(upgrade_config(stored), "old")
    assert config.losses.reconstruction_kind == "perceptual"
    assert str(config.losses.perceptual.weights) == "vgg.pth"
    assert (config.losses.warp, config.training.epochs) == (3.0, 7)
    assert repr(stored) == before


def test_todays_configuration_stays_as_it_is() -> None:
    today = Config().model_dump(mode="json")
    assert upgrade_config(today) == today


@pytest.mark.parametrize(
    ("older", "today"),
    [
        (
            {"solver": "gauss-newton", "iterations": 4, "implicit_gradient": True},
            {"fit": "solve", "iterations": 4},
        ),
        ({"implicit_gradient": False}, {"fit": "detached"}),
        (
            {"solver": "adam", "iterations": 150, "implicit_gradient": False},
            {"fit": "paper", "paper_iterations": 150},
        ),
        (
            {"solver": "adam", "iterations": None, "implicit_gradient": False},
            {"fit": "paper", "paper_iterations": 200},
        ),
    ],
)
def test_the_fit_of_older_files_is_read(older: dict[str, object], today: dict[str, object]) -> None:
    stored = upgrade_config({"model": {"cpab": older}})
    assert config_from_dict(stored, "it") == config_from_dict({"model": {"cpab": today}}, "it")


@pytest.mark.parametrize(
    ("cpab", "key"),
    [
        ({"fit": "solve", "solver": "adam"}, "solver"),
        ({"solver": "newton"}, "solver"),
        ({"solver": "adam"}, "solver"),  # which never had the gradient that was the default
        ({"implicit_gradient": "maybe"}, "implicit_gradient"),
    ],
)
def test_what_older_files_could_not_say_is_refused(cpab: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"it: unknown key model\.cpab\.{key}"):
        config_from_dict(upgrade_config({"model": {"cpab": cpab}}), "it")
