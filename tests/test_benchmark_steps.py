"""The benchmark of a GPU without one: its steps, and what it keeps when it is cut off."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from _helpers.tiny_model import tiny_model
from benchmarks import _gpu_checks, _gpu_rates, bench_gpu
from benchmarks._steps import Steps

from cpabmm_core.inference import inference_model

CPU = torch.device("cpu")


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def fails() -> dict[str, Any]:
    raise ValueError("no luck\nand more")


def test_a_step_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    steps = Steps(tmp_path / "a.jsonl", seconds=1000)
    steps.run("one", fails)
    steps.run("two", lambda: {"fps": 3.0})
    first, second = lines_of(tmp_path / "a.jsonl")
    assert first == {"step": "one", "error": "ValueError: no luck"}
    assert second["fps"] == 3.0
    assert steps.done == {"two": {"fps": 3.0}}


def test_a_run_that_is_cut_off_keeps_what_it_had(tmp_path: Path) -> None:
    def cut() -> dict[str, Any]:
        assert [line["step"] for line in lines_of(tmp_path / "a.jsonl")] == ["one"]
        raise KeyboardInterrupt

    steps = Steps(tmp_path / "a.jsonl", seconds=1000)
    steps.run("one", lambda: {})
    with pytest.raises(KeyboardInterrupt):
        steps.run("two", cut)
    assert [line["step"] for line in lines_of(tmp_path / "a.jsonl")] == ["one"]


def test_no_step_starts_when_the_time_is_over(tmp_path: Path) -> None:
    steps = Steps(tmp_path / "a.jsonl", seconds=100)
    steps.run("one", fails, needs=101)
    assert lines_of(tmp_path / "a.jsonl") == [{"step": "one", "left_out": "the time is over"}]


@pytest.mark.parametrize("mode", ["eager", "channels last", "library"])
def test_rates_of_a_tiny_model(monkeypatch: pytest.MonkeyPatch, mode: _gpu_rates.Mode) -> None:
    """The same functions as on a GPU, with the networks as they are there, without its graphs."""
    monkeypatch.setattr(inference_model, "prepare_for_inference", lambda model: model)
    monkeypatch.setattr(_gpu_rates, "seconds_of", lambda work, *_: (work(), 0.5)[1])
    result = _gpu_rates.frame_rate(tiny_model(), CPU, "bf16", 2, mode)
    assert result["fps"] == 4.0


def test_checks_find_no_difference_between_a_device_and_itself() -> None:
    errors = _gpu_checks.network_errors(tiny_model(), CPU, torch.float32)
    assert errors.pop("psnr") == 200
    assert set(errors.values()) == {0.0}
    assert set(_gpu_checks.cpab_errors(CPU).values()) == {0.0}


def test_rows_compare_with_the_baseline_and_the_plain_engine(tmp_path: Path) -> None:
    steps = Steps(tmp_path / "a.jsonl", seconds=1000)
    assert bench_gpu.rows_of(steps) == []
    steps.run(bench_gpu.BASELINE, lambda: {"fps": 20.0})
    steps.run("256, bf16, batch 32, eager", lambda: {"fps": 400.0})
    passes = ("forward", "backward", "jacobian")
    times = {f"{name}, kernels, us": 10.0 for name in passes}
    steps.run(bench_gpu.KERNELS, lambda: times | {f"{name}, plain, us": 90.0 for name in passes})
    rows = bench_gpu.rows_of(steps)
    assert [round(row.ratio) for row in rows] == [20, 9, 9, 9]


def test_without_a_gpu_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(pytest.skip.Exception, match="needs a CUDA device"):
        bench_gpu.measure()
