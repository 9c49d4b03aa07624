import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="device of the numeric tests, e.g. cuda")
    parser.addoption(
        "--dtype", action="append", choices=list(DTYPES), help="dtype of the numeric tests"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that take a `dtype` once for each chosen dtype, by default for all."""
    if "dtype" in metafunc.fixturenames and not _has_own_dtypes(metafunc):
        names = metafunc.config.getoption("dtype") or list(DTYPES)
        metafunc.parametrize("dtype", [DTYPES[name] for name in names], ids=names)


def _has_own_dtypes(metafunc: pytest.Metafunc) -> bool:
    marks = metafunc.definition.iter_markers("parametrize")
    return any("dtype" in str(mark.args[0]) for mark in marks)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` on machines without a CUDA device."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device of the numeric tests, from the option ``--device``."""
    return torch.device(request.config.getoption("device"))


@pytest.fixture(autouse=True, scope="session")
def _interrupts_as_usual() -> None:
    """Raise KeyboardInterrupt on SIGINT, which background jobs of a shell ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Compute on one thread, because the tensors of the tests are too small for more."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def rcnn_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random weights of a Keypoint R-CNN, written once and removed at the end (237 MB)."""
    from _helpers.frozen_nets import write_keypoint_rcnn

    path = tmp_path_factory.mktemp("keypoint_rcnn") / "weights.pth"
    write_keypoint_rcnn(path)
    yield path
    path.unlink()
