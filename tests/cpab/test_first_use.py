"""The check of the GPU's kernels on first use, with engines that fail in each way.

No GPU is needed: the fake kernels compute on the CPU.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import engines
from cpabmm_core.cpab.engines import agreement, first_use, plain
from cpabmm_core.notices import show_notices

CPU = torch.device("cpu")
KERNELS = f"{engines.__name__}.gpu"
FUNCTIONS = ("product", "forward", "backward", "jacobian")


@pytest.fixture
def notices() -> Iterator[list[str]]:
    found: list[str] = []
    with show_notices(found.append):
        yield found


@pytest.fixture(autouse=True)
def _cuda_that_computes_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_chosen", {})
    monkeypatch.setattr(first_use, "_announced", set())
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    capturing(monkeypatch, False)
    monkeypatch.setattr(
        first_use,
        "disagreement",
        lambda engine, _, dtype: agreement.disagreement(engine, CPU, dtype),
    )


def capturing(monkeypatch: pytest.MonkeyPatch, value: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: value)


def install(monkeypatch: pytest.MonkeyPatch, **changed: Callable[..., Any]) -> ModuleType:
    """Replace the kernels by `plain`, except for the functions given."""
    engine = ModuleType(KERNELS)
    for name in FUNCTIONS:
        setattr(engine, name, changed.get(name, getattr(plain, name)))
    monkeypatch.setitem(sys.modules, KERNELS, engine)
    return engine


def on_cuda(dtype: torch.dtype = torch.float32, index: int = 0) -> Any:  # noqa: ANN401  a tensor
    return SimpleNamespace(device=torch.device("cuda", index), dtype=dtype)


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def changes(name: str, change: Callable[[Tensor, Tensor], tuple[Tensor, Any]]) -> dict[str, Any]:
    """Return a function of an engine whose two results are changed."""
    function = getattr(plain, name)
    return {name: lambda *args, **options: change(*function(*args, **options))}


def zeroed(tensor: Tensor, index: Any) -> Tensor:  # noqa: ANN401
    tensor = tensor.clone()
    tensor[index] = 0
    return tensor


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernels_that_agree_are_used_without_a_word(
    monkeypatch: pytest.MonkeyPatch, notices: list[str], dtype: torch.dtype
) -> None:
    engine = install(monkeypatch)
    assert first_use.engine_on_cuda(on_cuda(dtype)) is engine
    assert notices == []


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "compilation": (
        {"forward": raises(RuntimeError("PassManager::run failed\n  at line 3"))},
        "do not run here (RuntimeError: PassManager::run failed at line 3)",
    ),
    "compiler": (
        {"forward": raises(FileNotFoundError(2, "no ptxas"))},
        "do not run here (FileNotFoundError: no ptxas)",
    ),
    "launch": (
        {"jacobian": raises(RuntimeError("CUDA error: invalid device function"))},
        "do not run here (RuntimeError: CUDA error: invalid device function)",
    ),
    "value": (changes("forward", lambda end, rec: (end + 1e-3, rec)), "give wrong end points here"),
    "a point": (
        changes("forward", lambda end, rec: (zeroed(end, (1, -1)), rec)),
        "give wrong end points here",
    ),
    "NaN": (
        changes("forward", lambda end, rec: (end * torch.nan, rec)),
        "give wrong end points here",
    ),
    "gradient of maps": (
        changes("backward", lambda maps, points: (1.1 * maps, points)),
        "give wrong gradients here",
    ),
    "a lost addition": (
        changes("backward", lambda maps, points: (zeroed(maps, (1, 5)), points)),
        "give wrong gradients here",
    ),
    "gradient of points": (
        changes("backward", lambda maps, points: (maps, -points)),
        "give wrong gradients here",
    ),
    "infinite gradient": (
        changes("backward", lambda maps, points: (maps / 0, points)),
        "give wrong gradients here",
    ),
    "derivatives": (
        changes("jacobian", lambda end, by: (end, zeroed(by, (..., -1)))),
        "give wrong derivatives here",
    ),
    "end of derivatives": (
        changes("jacobian", lambda end, by: (end.flip(0), by)),
        "give wrong end points here",
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_selects_the_plain_engine_with_one_notice(
    monkeypatch: pytest.MonkeyPatch, notices: list[str], fault: str, dtype: torch.dtype
) -> None:
    changed, trouble = FAULTS[fault]
    install(monkeypatch, **changed)
    for _ in range(2):
        assert first_use.engine_on_cuda(on_cuda(dtype)) is plain
    assert notices == [
        f"cuda:0: CPAB uses PyTorch's slower operators, because its kernels {trouble}"
    ]


def test_without_triton_the_notice_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    monkeypatch.delitem(sys.modules, KERNELS, raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    assert first_use.engine_on_cuda(on_cuda()) is plain
    [notice] = notices
    assert "cannot be imported (import of triton halted" in notice


def test_without_a_c_compiler_the_notice_says_so(
    monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    """Triton needs a C compiler to build its driver."""
    triton = pytest.importorskip("triton", reason="Triton has no build for this system")

    def no_compiler(_: object) -> None:
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.delitem(sys.modules, KERNELS, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(type(triton.runtime.driver), "active", property(no_compiler))
    assert first_use.engine_on_cuda(on_cuda()) is plain
    assert notices[0].endswith(
        "cannot be imported (Triton does not run here: Failed to find C compiler.)"
    )


def test_a_damaged_triton_is_no_error(monkeypatch: pytest.MonkeyPatch, notices: list[str]) -> None:
    monkeypatch.setattr(first_use, "import_module", raises(AttributeError("no attribute 'jit'")))
    assert first_use.engine_on_cuda(on_cuda()) is plain
    assert notices[0].endswith("cannot be imported (no attribute 'jit')")


def test_a_device_is_checked_once_per_dtype_and_announced_once(
    monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    calls: list[torch.dtype] = []

    def forward(space: object, affine: Tensor, points: Tensor, *, record: bool) -> None:
        calls.append(affine.dtype)
        raise RuntimeError("no")

    install(monkeypatch, forward=forward)
    for _ in range(3):
        for dtype in (torch.float32, torch.float64):
            first_use.engine_on_cuda(on_cuda(dtype))
    assert calls == [torch.float32, torch.float64]
    assert len(notices) == 1
    first_use.engine_on_cuda(on_cuda(index=1))
    assert [notice.split(": ")[0] for notice in notices] == ["cuda:0", "cuda:1"]


def test_one_dtype_may_fail_alone(monkeypatch: pytest.MonkeyPatch, notices: list[str]) -> None:
    """Some devices have no atomic addition in float64, for example."""

    def backward(space: Any, affine: Tensor, rounds: Any, gradient: Tensor) -> object:  # noqa: ANN401
        if affine.dtype == torch.float64:
            raise RuntimeError("no float64")
        return plain.backward(space, affine, rounds, gradient)

    engine = install(monkeypatch, backward=backward)
    assert first_use.engine_on_cuda(on_cuda(torch.float32)) is engine
    assert first_use.engine_on_cuda(on_cuda(torch.float64)) is plain
    assert len(notices) == 1


def test_nothing_is_checked_while_a_graph_is_captured(
    monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    engine = install(monkeypatch, forward=raises(RuntimeError("not during a capture")))
    capturing(monkeypatch, True)
    assert first_use.engine_on_cuda(on_cuda()) is engine
    capturing(monkeypatch, False)
    assert notices == []
    assert first_use.engine_on_cuda(on_cuda()) is plain
    assert len(notices) == 1
    capturing(monkeypatch, True)  # what is known holds during a capture too
    assert first_use.engine_on_cuda(on_cuda()) is plain


def test_a_full_device_says_nothing_about_the_kernels(
    monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    install(monkeypatch, forward=raises(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        first_use.engine_on_cuda(on_cuda())
    engine = install(monkeypatch)
    assert first_use.engine_on_cuda(on_cuda()) is engine
    assert notices == []


def test_several_threads_check_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    everyone = threading.Barrier(4)

    def forward(*args: Any, **options: Any) -> object:  # noqa: ANN401
        calls.append(args)
        return plain.forward(*args, **options)

    engine = install(monkeypatch, forward=forward)
    found: list[ModuleType] = []

    def work() -> None:
        everyone.wait()
        found.append(first_use.engine_on_cuda(on_cuda()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [engine] * 4
    assert len(calls) == 1


def test_the_check_leaves_no_trace_in_inference_mode_or_under_autocast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = install(monkeypatch)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert first_use.engine_on_cuda(on_cuda()) is engine
        assert torch.is_inference_mode_enabled()
    with torch.enable_grad():
        first_use.engine_on_cuda(on_cuda(torch.float64))
        assert torch.is_grad_enabled()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_far_from_the_bounds(dtype: torch.dtype) -> None:
    """Measured: 4e-3 of the bounds or less."""
    shares = agreement.shares_of_bounds(plain, CPU, dtype)
    assert set(shares) == {"end points", "gradients", "derivatives"}
    assert max(shares.values()) < 0.01


def test_the_case_crosses_cells_and_leaves_the_square() -> None:
    from cpabmm_core.cpab import Tessellation, VelocitySpace

    space = VelocitySpace(Tessellation(3, 2))
    affine, points, _, _ = agreement._case(space)
    _, rounds = plain.forward(space, affine, points, record=True)
    cells = torch.cat([step.cell for step in rounds])
    assert len(rounds) > 5
    assert len(cells.unique()) > 0.9 * affine[..., 0, 0].numel()
    assert ((points < 0) | (points > 1)).any(dim=2).float().mean() > 0.2
