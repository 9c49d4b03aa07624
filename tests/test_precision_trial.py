"""The trial of a half precision, with operators that fail in each way in that precision only."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core import precision, precision_trial
from cpabmm_core.precision import choose_precision, precision_warning
from cpabmm_core.precision_trial import trial_failure

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget earlier trials, and take the same time for a convolution in each precision."""
    monkeypatch.setattr(precision_trial, "_seconds", lambda _: 1.0)
    trial_failure.cache_clear()
    yield
    trial_failure.cache_clear()


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return -gradient


def missing(result: Tensor) -> Tensor:
    raise RuntimeError('"operator" not implemented for this type')


FAULTS: dict[str, tuple[str, Callable[[Tensor], Tensor], str]] = {
    "missing": ("instance_norm", missing, 'does not run (RuntimeError: "operator" not implemented'),
    "NaN": ("conv2d", lambda x: x * torch.nan, "gives NaN or infinity"),
    "overflow": ("linear", lambda x: x + torch.inf, "differs from float32"),
    "wrong": ("conv2d", lambda x: x.roll(1, dims=3), "differs from float32 by"),
    "zero": ("linear", lambda x: 0 * x, "differs from float32 by"),
    "gradient": ("relu", Reversed.apply, "differs from float32 by"),
}


def break_in_half(
    monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Tensor], Tensor]
) -> None:
    operator = getattr(F, name)

    def broken(*args: Any, **options: Any) -> Tensor:  # noqa: ANN401
        result: Tensor = operator(*args, **options)
        return result if result.dtype == torch.float32 else change(result)

    monkeypatch.setattr(F, name, broken)


@pytest.mark.parametrize("dtype", HALVES)
def test_a_correct_device_passes(dtype: torch.dtype) -> None:
    assert trial_failure(CPU, dtype) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    name, change, message = FAULTS[fault]
    break_in_half(monkeypatch, name, change)
    failure = trial_failure(CPU, torch.bfloat16)
    assert failure is not None
    assert message in failure
    assert "\n" not in failure


def test_a_cpu_that_is_slower_in_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: 1.5}
    monkeypatch.setattr(precision_trial, "_seconds", seconds.__getitem__)
    assert trial_failure(CPU, torch.bfloat16) == "is slower than float32"


def test_the_time_is_the_shortest_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ticks = iter([0, 9, 10, 13, 20, 22, 30, 37, 40, 48])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert precision_trial._seconds(torch.float32) == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_runs_in_any_mode_and_draws_no_numbers(mode: Callable[[], Any]) -> None:
    state = torch.random.get_rng_state()
    with mode(), torch.autocast("cpu", torch.bfloat16):
        assert trial_failure(CPU, torch.bfloat16) is None
        assert not torch.is_grad_enabled()
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_memory_that_is_full_is_no_fault_of_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        break_in_half(patched, "conv2d", full)
        with pytest.raises(torch.OutOfMemoryError):
            trial_failure(CPU, torch.bfloat16)
    assert trial_failure(CPU, torch.bfloat16) is None


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> list[torch.dtype]:
    """Compute on the CPU instead of a CUDA device; return the list of the dtypes that it tried."""
    results, tried = precision_trial._results, []

    def on_cpu(device: torch.device, dtype: torch.dtype) -> list[Tensor]:
        if device == CUDA:
            tried.append(dtype)
        return results(CPU, dtype)

    monkeypatch.setattr(precision_trial, "_results", on_cpu)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    return tried


@pytest.mark.parametrize(
    ("capability", "expected"), [((9, 0), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32")]
)
def test_auto_tries_the_native_precision_of_a_gpu_once(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: precision.Precision
) -> None:
    tried = pretend_cuda(monkeypatch, capability)
    for _ in range(2):
        assert choose_precision("auto", CUDA) == expected
        assert precision_warning("auto", CUDA) is None
    assert tried == ([] if expected == "fp32" else [precision.DTYPES[expected]])


def test_auto_falls_back_to_float32_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = pretend_cuda(monkeypatch, (9, 0))
    break_in_half(monkeypatch, "conv2d", lambda x: x * torch.nan)
    assert choose_precision("auto", CUDA) == "fp32"
    assert precision_warning("auto", CUDA) == (
        "auto: bf16 gives NaN or infinity in a trial on cuda:0, so fp32 is used"
    )
    assert len(tried) == 1
    assert choose_precision("bf16", CUDA) == "bf16"  # whoever names it gets it
    assert precision_warning("bf16", CUDA) is None


def test_auto_on_a_cpu_falls_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_computes_bf16", lambda: True)
    monkeypatch.setattr(precision_trial, "_seconds", lambda dtype: float(dtype == torch.bfloat16))
    assert choose_precision("auto", CPU) == "fp32"
    assert precision_warning("auto", CPU) == (
        "auto: bf16 is slower than float32 in a trial on cpu, so fp32 is used"
    )


def test_a_cpu_without_instructions_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("tried")

    monkeypatch.setattr(precision, "trial_failure", never)
    monkeypatch.setattr(precision, "cpu_computes_bf16", lambda: False)
    assert choose_precision("auto", CPU) == "fp32"
    assert precision_warning("auto", CPU) is None
