from collections.abc import Mapping

import pytest
import torch

from cpabmm_core import precision
from cpabmm_core.errors import ConfigError
from cpabmm_core.precision import (
    choose_precision,
    emulation_factor,
    precision_warning,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _every_trial_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here only the features of the device count; see `test_precision_trial.py`."""
    monkeypatch.setattr(precision, "trial_failure", lambda *_: None)


def has(monkeypatch: pytest.MonkeyPatch, features: Mapping[str, object]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": True}, "bf16"),
        ({"neon": True, "architecture": "aarch64"}, "fp32"),
    ],
)
def test_auto_on_a_cpu_uses_its_features(
    monkeypatch: pytest.MonkeyPatch, features: Mapping[str, object], expected: str
) -> None:
    has(monkeypatch, features)
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_older_torch_without_features_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32")],
)
def test_auto_on_cuda_uses_native_types(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert choose_precision("auto", torch.device("cuda")) == expected


def test_auto_elsewhere_is_float32() -> None:
    assert choose_precision("auto", torch.device("mps")) == "fp32"


def test_unknown_precision_is_named() -> None:
    with pytest.raises(ConfigError, match=r"precision int8: unknown; choose one of auto, fp32"):
        choose_precision("int8", CPU)


def test_only_requested_emulation_gives_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "emulation_factor", lambda: 24.7)
    has(monkeypatch, {"avx512_bf16": True})
    assert precision_warning("bf16", CPU) is None
    has(monkeypatch, {"avx2": True})
    assert precision_warning("auto", CPU) is None
    assert precision_warning("bf16", torch.device("cuda")) is None
    assert precision_warning("bf16", CPU) == (
        "bf16: this CPU emulates it, 25 times slower than float32 in a trial; use auto"
    )


def test_trial_measures_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the clock of this test a float32 product takes at least 2 s, a bfloat16 product 50 s."""
    lengths = iter([51.0, 50.0, 53.0, 50.5, 52.0, 9.0, 2.0, 3.0, 2.5, 4.0])
    now, is_start = 0.0, True

    def clock() -> float:
        nonlocal now, is_start
        now += 0.0 if is_start else next(lengths)
        is_start = not is_start
        return now

    monkeypatch.setattr("cpabmm_core.precision.time.perf_counter", clock)
    assert emulation_factor() == 25
