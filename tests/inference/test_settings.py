"""Settings of an animation: what strings mean, and what is refused."""

import subprocess
import sys
from fractions import Fraction

import pytest

from cpabmm_core.errors import ConfigError
from cpabmm_core.inference.settings import AnimationSettings, SettingError, read_settings


def test_strings_of_a_table_mean_the_same_as_values() -> None:
    texts = {
        "size": "480",
        "crop": " 1, 2, 30, 40",
        "paste_back": "true",
        "reference_frame": "7",
        "motion_scale": "1.5",
        "hull_scaling": "no",
        "fps": "30000/1001",
        "quality": "80",
        "compare": "false",
        "background": "#10f",
    }
    assert read_settings(texts) == AnimationSettings(
        size=480,
        crop="1,2,30,40",
        paste_back=True,
        reference_frame=7,
        motion_scale=1.5,
        hull_scaling=False,
        fps=Fraction(30000, 1001),
        quality=80,
        background="#10f",
    )


def test_a_decimal_frame_rate_is_exact() -> None:
    assert read_settings({"fps": "29.97"}).fps == Fraction(2997, 100)
    assert read_settings({"fps": 24}).fps == 24
    assert read_settings({"fps": 12.5}).fps == Fraction(25, 2)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("mode", "sideways", "'standard', 'relative' or 'avd'"),
        ("size", "0", "16"),
        ("size", "big", "integer"),
        ("crop", "1,2,3", "X,Y,W,H"),
        ("crop", "1,2,0,4", "X,Y,W,H"),
        ("driving_crop", "middle", "X,Y,W,H"),
        ("fit", "squeeze", "'crop' or 'pad'"),
        ("paste_back", "perhaps", "true or false"),
        ("background", "no colour", "the name of a colour"),
        ("reference_frame", "-1", "counted from 0"),
        ("reference_frame", "1.5", "counted from 0"),
        ("motion_scale", "nan", "finite"),
        ("motion_scale", "-1", "0"),
        ("smooth", "1.1", "less than or equal to 1"),
        ("hull_scaling", "", "true or false"),
        ("motion", "spline", "'model' or 'cpab'"),
        ("audio", "loud", "'copy', 'none' or 'source'"),
        ("fps", "0", "more than 0"),
        ("fps", "30/0", "30000/1001"),
        ("fps", "inf", "30000/1001"),
        ("quality", "0", "1"),
        ("quality", "101", "100"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({name: value})
    message = str(caught.value)
    assert caught.value.name == name
    assert message.startswith(f"{name}: expected ")
    assert words in message
    assert message.endswith(f"got {value!r}")
    assert "\n" not in message
    assert isinstance(caught.value, ConfigError)


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(SettingError, match=r"motion_scal: unknown; did you mean motion_scale\?"):
        read_settings({"motion_scal": "2"})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mode": "standard", "reference_frame": "auto"}, "reference_frame: has no effect"),
        ({"mode": "avd", "hull_scaling": "true"}, "hull_scaling: has no effect"),
        ({"compare": True, "visualize": True}, "visualize: excludes compare"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(
    values: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        read_settings(values)


def test_settings_and_tables_are_read_without_torch() -> None:
    code = (
        "import sys; import cpabmm_core.inference.settings, cpabmm_core.inference.job_checks; "
        "import cpabmm_core.inference.open_animation; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
