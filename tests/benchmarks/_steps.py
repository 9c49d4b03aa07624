"""Steps of a long benchmark on a machine that may be taken away at any time.

Each step ends with a line of JSON in a file, which is on the disk before the next step begins. A
step that fails leaves a line with its error, and the next one starts. No step starts when the time
is over.
"""

import gc
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

Numbers = Mapping[str, Any]


class Steps:
    """The steps of a benchmark and the file that keeps their results.

    Attributes:
        done: the results of the steps that succeeded, by name.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        """Begin an empty file.

        Args:
            file: where the lines go.
            seconds: no step starts after that.
        """
        self.done: dict[str, Numbers] = {}
        self._file, self._seconds, self._begun = file, seconds, perf_counter()
        file.write_text("", encoding="utf-8")

    def run(self, name: str, work: Callable[[], Numbers], *, needs: float = 0.0) -> None:
        """Run a step and keep its result, or its error.

        Args:
            name: name of the step.
            work: returns its result.
            needs: seconds that must be left to start it.
        """
        begun = perf_counter()
        if begun - self._begun + needs > self._seconds:
            self._keep({"step": name, "left_out": "the time is over"})
            return
        try:
            result = work()
        except Exception as error:
            lines = str(error).splitlines() or [""]
            self._keep({"step": name, "error": f"{type(error).__name__}: {lines[0]}"[:400]})
        else:
            self.done[name] = result
            self._keep({"step": name, **result, "step_seconds": round(perf_counter() - begun, 2)})
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _keep(self, line: Numbers) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
