"""Help, version and usage errors load nothing heavy; `bench_startup.py` times them."""

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = [sys.executable, "-m", "cpabmm_cli"]
HEAVY = ("torch", "torchvision", "timm", "skimage", "scipy", "av", "PIL", "accelerate", "psutil")
EXAMPLES = Path(__file__).parents[2] / "examples"
NOT_FOR_ANIMATION = {
    "torch._dynamo",  # PyTorch's compiler; timm, torchvision and some functions of torch import it
    "torch._inductor",
    "sympy",
    "triton",
    "timm",
    "torchvision",
    "accelerate",
    "huggingface_hub",
    "imageio",
    "matplotlib",
    "onnx",
    "scipy.sparse",  # scipy.linalg is imported by Numba
    "skimage",
}

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


def test_the_first_animation_imports_no_compiler_and_no_library_of_networks(
    tmp_path: Path,
) -> None:
    inputs = [str(EXAMPLES / "source.png"), str(EXAMPLES / "driving.mp4")]
    arguments = ["-q", "animate", *inputs, "-o", str(tmp_path / "o.mp4"), "--fps", "2"]
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.rpartition("loaded: ")[2].split())
    assert "cpabmm_core.models.generator" in loaded
    assert not NOT_FOR_ANIMATION & loaded
    assert len(loaded) < 2600  # 2231 with torch 2.14; 3680 with timm and PyTorch's compiler


def test_the_shapes_of_a_checkpoint_are_known_without_the_compiler() -> None:
    """On torch's device meta, every computation imports it, so that models must not compute."""
    script = """
import sys
from pathlib import Path
from cpabmm_core.checkpoint.filling import expected_tensors
from cpabmm_core.config import load_config
for name in sys.argv[1:]:
    expected_tensors(Path(name), load_config(name))
    assert "torch._dynamo" not in sys.modules, name
"""
    names = ["puppets-64", "puppets-128", "puppets-64-fomm", "puppets-64-mraa"]
    names += ["taichi-256", "taichi-256-tps", "mgif-256", "ted-384", "vox-256-mraa"]
    subprocess.run([sys.executable, "-c", script, *names], check=True)


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
