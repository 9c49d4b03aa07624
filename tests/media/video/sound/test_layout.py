"""Layouts of sound from files are read in one place, which prevents the crash of PyAV."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from _helpers.odd_files.sound import make_film_order

ROOT = Path(__file__).parents[4]
HOME = "cpabmm_core/media/video/sound/layout.py"
UNSAFE = {"layout", "channels", "AudioResampler"}


def unsafe_reads(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(
        (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "av")
        or (isinstance(node, ast.Import) and any(name.name == "av" for name in node.names))
        for node in ast.walk(tree)
    ):  # fmt: skip
        return []
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in UNSAFE
        and isinstance(node.ctx, ast.Load)
    ]


def test_layouts_are_read_in_one_place() -> None:
    found = [place for path in (ROOT / "cpabmm_core").rglob("*.py") for place in unsafe_reads(path)]
    assert [place.rpartition(":")[0] for place in found] == [HOME]


@pytest.mark.parametrize("frames", [False, True])
def test_reading_a_custom_order_many_times_is_safe(tmp_path: Path, frames: bool) -> None:
    make_film_order(tmp_path / "a.mov")
    code = (
        "import av, sys\n"
        "from cpabmm_core.media.video.sound.layout import layout_name\n"
        "for _ in range(20):\n"
        "    with av.open(sys.argv[1]) as source:\n"
        "        stream = source.streams.audio[0]\n"
        f"        owners = source.decode(audio=0) if {frames} else [stream.codec_context] * 3\n"
        "        names = {layout_name(owner) for owner in owners}\n"
        "        assert names == {'6 channels (FL+FC+FR+SL+SR+LFE)'}, names\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.mov")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
