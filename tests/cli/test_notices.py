"""Notices of the core about files become lines on stderr."""

from pathlib import Path

import pytest
from PIL import Image

from cpabmm_cli.console import terminal
from cpabmm_cli.failures import with_exit_code
from cpabmm_core.media import read_image
from cpabmm_core.media.pictures import limits


@pytest.mark.parametrize("quiet", [False, True])
def test_the_person_is_told_about_a_reduced_picture(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quiet: bool,
) -> None:
    monkeypatch.setattr(limits, "FULL_SIZE_PIXELS", 100)
    monkeypatch.setattr(terminal, "quiet", quiet)
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")

    @with_exit_code
    def command() -> None:
        read_image(tmp_path / "a.png")

    command()
    told = f"{tmp_path / 'a.png'}: 20 x 10 pixels, read at 10 x 5 to save memory\n"
    assert capsys.readouterr() == ("", "" if quiet else told)
