"""The public names of the rooms around CPAB."""

import importlib
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
