"""Help, version and usage errors load nothing heavy; `bench_startup.py` times them."""

import subprocess
import sys

import pytest

MODULE = [sys.executable, "-m", "cpabmm_cli"]
HEAVY = ("torch", "torchvision", "timm", "skimage", "scipy", "av", "PIL", "accelerate")

SPY = """
import sys
sys.argv = ["cpabmm", *sys.argv[1:]]
from cpabmm_cli.app import main
try:
    main()
except SystemExit as end:
    sys.stderr.write("loaded: " + " ".join(sorted(sys.modules)))
    raise
"""

QUICK = [
    (["--help"], 0),
    (["--version"], 0),
    ([], 2),
    (["animate", "--help"], 0),
    (["preprocess", "puppets", "--help"], 0),
    (["anime"], 2),
    (["animate"], 2),
    (["animate", "a.png", "b.mp4", "--mode", "sideways"], 2),
    (["animate", "a.png", "b.mp4", "--device", "gpu"], 2),
    (["fit-cpab", "--help"], 0),
    (["fit-cpab"], 2),
    (["fit-cpab", "a.json", "--cells", "0"], 2),
    (["fit-cpab", "a.json", "--inverse"], 2),
    (["fit-cpab", "a.csv", "--apply", "t.json", "--huber", "0.1"], 2),
    (["train", "--config", "x", "--data", "y", "--out", "z", "--steps", "none"], 2),
]


@pytest.mark.parametrize(("arguments", "code"), QUICK, ids=str)
def test_help_and_usage_errors_load_nothing_heavy(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    loaded = done.stderr.rpartition("loaded: ")[2].split()
    assert "cpabmm_cli.commands.animate" in loaded
    assert not set(HEAVY) & set(loaded)


def test_a_usage_error_says_what_is_wrong_on_stderr() -> None:
    done = subprocess.run(
        [*MODULE, "animate", "a.png", "b.mp4", "--mode", "sideways"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    assert "sideways" in done.stderr
    assert "relative" in done.stderr


def test_a_mistyped_command_gets_a_hint() -> None:
    done = subprocess.run([*MODULE, "anmate"], capture_output=True, text=True, check=False)
    assert "animate" in done.stderr


def test_importing_the_metrics_does_not_load_torch() -> None:
    script = "import sys, cpabmm_core.metrics; print('torch' in sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
