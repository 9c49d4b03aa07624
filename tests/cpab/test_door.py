"""The public names of the rooms around CPAB."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

import cpabmm_core.cpab
import cpabmm_core.geometry
import cpabmm_core.pointsets
import cpabmm_core.visualize

ROOMS = [cpabmm_core.cpab, cpabmm_core.geometry, cpabmm_core.pointsets, cpabmm_core.visualize]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_name_is_defined_and_no_module_hides_it(room: ModuleType) -> None:
    for name in room.__all__:
        value = getattr(room, name)
        assert not isinstance(value, ModuleType), name
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"{room.__name__}.{name}")


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_importing_a_room_does_not_import_torch(room: ModuleType) -> None:
    code = f"import sys, {room.__name__}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
