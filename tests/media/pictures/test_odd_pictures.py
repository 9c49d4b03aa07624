"""Every odd picture as the source image: it looks right, or one line says why it is refused."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files.pictures import ODD_PICTURES, OddPicture

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import read_source


@pytest.mark.parametrize("odd", ODD_PICTURES, ids=lambda odd: odd.name)
def test_odd_picture(tmp_path: Path, odd: OddPicture, recwarn: pytest.WarningsRecorder) -> None:
    if odd.needs_heif and find_spec("pillow_heif") is None:
        pytest.skip("pillow-heif is an extra")
    path = tmp_path / odd.name
    odd.make(path)
    recwarn.clear()
    if odd.looks is None:
        with pytest.raises(MediaError) as caught:
            read_source(path)
        line = rf"{re.escape(str(path))}: .*{odd.trouble}[^\n]*;[^\n]*$"
        assert re.match(line, str(caught.value))
    else:
        shown = read_source(path)
        assert shown.shape == odd.looks.shape
        assert np.abs(shown.astype(float) - odd.looks).mean() <= odd.tolerance
    assert not recwarn.list
