from pathlib import Path

import pytest

from cpabmm_core.inference.output_names import default_output


@pytest.mark.parametrize(
    ("source", "driving", "format", "name"),
    [
        ("a/face.png", "b/talk.mov", None, "face--talk.mp4"),
        ("face.v2.png", "talk.tar.mp4", "webm", "face.v2--talk.tar.webm"),
        ("-", "talk.mp4", None, "stdin--talk.mp4"),
        ("face.png", "-", "mkv", "face--stdin.mkv"),
        ("face.png", "camera:0", None, "face--camera-0.mp4"),
        ("--odd.png", "[b] $(x).gif", None, "--odd--[b] $(x).mp4"),
        ("face.png", "talk.mp4", "png", "face--talk/"),
    ],
)
def test_the_name_joins_both_names(
    source: str, driving: str, format: str | None, name: str
) -> None:
    assert default_output(source, driving, format) == name


def test_a_folder_keeps_the_dots_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "run.1").mkdir()
    assert default_output("a.png", str(tmp_path / "run.1")) == "a--run.1.mp4"
