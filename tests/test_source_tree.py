"""The package in a source tree that nobody has installed, as on a machine without network."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WITHOUT_METADATA = """
import importlib.metadata

def missing(name):
    raise importlib.metadata.PackageNotFoundError(name)

importlib.metadata.version = missing
import cpabmm_core
print(cpabmm_core.__version__)
"""


def test_the_package_can_be_imported_without_its_metadata() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_METADATA],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "0+unknown\n"
