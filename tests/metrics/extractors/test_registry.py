import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cpabmm_core.errors import ConfigError
from cpabmm_core.metrics.extractors import (
    extractor_names,
    open_embedding_extractor,
    open_keypoint_extractor,
    open_subject_detector,
)
from cpabmm_core.metrics.extractors.registry import split_options

PLUGIN = """
import numpy as np
from cpabmm_core.metrics.extractors import ExtractorInfo

class Corner:
    def __init__(self, request):
        self.info = ExtractorInfo("corner", "1", "", "nothing", dict(request.options))
    def keypoints(self, frames):
        return np.zeros((len(frames), 1, 2))

class Mean:
    info = ExtractorInfo("mean", "1", "", "nothing")
    def embeddings(self, frames):
        return frames.mean(axis=(1, 2))

def open_mean(request):
    return Mean()
"""
ENTRY_POINTS = """[cpabmm.extractors]
corner = other_package:Corner
mean = other_package:open_mean
gone = other_package:nothing
"""


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third-party package as pip installs it."""
    (tmp_path / "other_package.py").write_text(PLUGIN)
    info = tmp_path / "other_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "other_package", raising=False)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("faces", {}),
        ("faces?weights=/models/a+b%20c/x.pt", {"weights": "/models/a+b%20c/x.pt"}),
        ("faces?weights=a=b&detector=d", {"weights": "a=b", "detector": "d"}),
        ("faces?weights=", {"weights": ""}),
    ],
)
def test_options_are_not_decoded(name: str, options: dict[str, str]) -> None:
    assert split_options(name) == ("faces", options)


@pytest.mark.parametrize("name", ["faces?weights", "faces?=x", "faces?a=1&a=2", "faces?a=1&"])
def test_malformed_options_are_rejected(name: str) -> None:
    with pytest.raises(ConfigError, match=r"KEY=VALUE"):
        split_options(name)


@pytest.mark.usefixtures("other_package")
def test_other_packages_add_extractors() -> None:
    assert {"corner", "mean", "faces", "puppets"} <= set(extractor_names())
    frames = np.full((2, 4, 4, 3), 7, dtype=np.uint8)
    corner = open_keypoint_extractor("corner?side=left")
    assert corner.keypoints(frames).shape == (2, 1, 2)
    assert corner.info.options == {"side": "left"}
    assert (open_embedding_extractor("mean").embeddings(frames) == 7).all()


@pytest.mark.usefixtures("other_package")
def test_the_wrong_kind_is_rejected() -> None:
    with pytest.raises(ConfigError, match="mean: is not an extractor of keypoints"):
        open_keypoint_extractor("mean")
    with pytest.raises(ConfigError, match="corner: is not an extractor of identities"):
        open_embedding_extractor("corner")
    with pytest.raises(ConfigError, match="corner: does not detect subjects"):
        open_subject_detector("corner")
    with pytest.raises(ConfigError, match="gone: other_package:nothing cannot be loaded"):
        open_keypoint_extractor("gone")


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean faces-dlib"):
        open_keypoint_extractor("face-dlib")
    with pytest.raises(ConfigError, match="choose one of bodies, dino, faces"):
        open_keypoint_extractor("quux")


def test_the_extractor_of_the_documentation_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "extractors.md").read_text(encoding="utf-8")
    own = page.partition("## Your own")[2]
    (entry,) = re.findall(r"```toml\n.*?\n(.*?)```", own, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", own, re.DOTALL)
    (tmp_path / "brightest.py").write_text(code)
    info = tmp_path / "brightest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brightest\nVersion: 1.0\n")
    points = entry.replace('"', "")
    (info / "entry_points.txt").write_text(f"[cpabmm.extractors]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)
    frames = np.zeros((2, 6, 8, 3), dtype=np.uint8)
    frames[0, 2, 5] = 9
    found = open_keypoint_extractor("brightest").keypoints(frames)
    assert found[0].tolist() == [[5, 2]]
    assert np.isnan(found[1]).all()
