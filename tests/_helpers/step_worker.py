"""Training steps in a process of its own, as the allocator's settings need."""

import multiprocessing
import resource
from collections.abc import Sequence
from contextlib import nullcontext
from multiprocessing.connection import Connection

SPAWN = multiprocessing.get_context("spawn")


class StepWorker:
    """A process that takes training steps, one at a time.

    Args:
        plain: take the steps in their plain form, without the settings of `cpabmm train`.
    """

    def __init__(self, *, plain: bool) -> None:
        self._ours, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(theirs, plain), daemon=True)
        self._process.start()

    def open(self, config: str, changes: Sequence[str]) -> None:
        """Begin to open another run, in place of the one before; see `timed_steps.open_steps`."""
        self._ours.send((config, tuple(changes)))

    def step(self) -> float:
        """Take a step and return the peak of the process's memory so far in GB."""
        self._ours.send("step")
        peak = self._ours.recv()
        assert isinstance(peak, float)
        return peak

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _serve(calls: Connection, plain: bool) -> None:
    from _helpers.plain_step import plain_step
    from _helpers.timed_steps import open_steps

    from cpabmm_cli.memory import keep_freed_memory

    if not plain:
        keep_freed_memory()
    call = calls.recv()
    while True:
        config, changes = call
        with open_steps(config, changes) as steps:
            form = plain_step(steps.step.session.optimizer) if plain else nullcontext()
            with form:
                while (call := calls.recv()) == "step":
                    steps.take()
                    calls.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
