"""Choice by trial."""

import threading
import time

import pytest

from cpabmm_core.convolution import trial
from cpabmm_core.convolution.trial import is_faster


@pytest.fixture(autouse=True)
def _no_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_choices", {})


def quick() -> None:
    pass


def slow() -> None:
    time.sleep(0.01)


def test_the_faster_one_wins() -> None:
    assert is_faster("a", quick, slow)
    assert not is_faster("b", slow, quick)


def test_a_choice_is_kept() -> None:
    assert is_faster("a", quick, slow)
    assert is_faster("a", slow, quick)


def test_a_long_trial_ends_early() -> None:
    calls: list[int] = []

    def long() -> None:
        calls.append(1)
        time.sleep(2 * trial._ENOUGH)

    assert not is_faster("a", long, quick)
    assert len(calls) == 2  # one fills the caches, one is timed


def test_threads_agree_and_try_once() -> None:
    calls: list[int] = []
    choices: list[bool] = []

    def counted() -> None:
        calls.append(1)

    threads = [
        threading.Thread(target=lambda: choices.append(is_faster("a", counted, slow)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert choices == [True] * 4
    assert len(calls) == 1 + trial._PAIRS
