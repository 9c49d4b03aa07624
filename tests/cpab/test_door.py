"""Public names of the packages around CPAB."""

import importlib
from types import ModuleType

import pytest

import cpabmm_core.cpab
import cpabmm_core.geometry
import cpabmm_core.pointsets
import cpabmm_core.visualize

PACKAGES = [cpabmm_core.cpab, cpabmm_core.geometry, cpabmm_core.pointsets, cpabmm_core.visualize]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_defined_and_no_module_hides_it(package: ModuleType) -> None:
    for name in package.__all__:
        value = getattr(package, name)
        assert not isinstance(value, ModuleType), name
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"{package.__name__}.{name}")
