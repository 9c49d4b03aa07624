"""The process of one benchmark: `python -m benchmarks._child MODULE OUTPUT [IMAGES]`.

Writes rows and machine, or what went wrong, as JSON.
"""

import importlib
import json
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from benchmarks._report import Row, describe_machine


def measure(module: str, images: Path | None) -> dict[str, Any]:
    """Run a benchmark and return the result, or the trouble, for JSON."""
    try:
        benchmark = importlib.import_module(module)
        if images is not None and hasattr(benchmark, "document"):
            rows, text = benchmark.document(images)
        else:
            rows, text = benchmark.measure(), ""
    except pytest.skip.Exception as reason:
        return {"trouble": f"left out: {reason}", "failed": False}
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in {"benchmarks", "_helpers", "cpabmm_core"}:
            return _failure(error)
        return {"trouble": f"left out: needs the package {error.name}", "failed": False}
    except Exception as error:
        return _failure(error)
    if not rows:
        return {"trouble": "left out: does not apply to this machine", "failed": False}
    machine = asdict(getattr(benchmark, "machine", describe_machine)())
    return {"rows": [_plain(row) for row in rows], "machine": machine, "text": text}


def _plain(row: Row) -> dict[str, Any]:
    return asdict(row)


def _failure(error: Exception) -> dict[str, Any]:
    traceback.print_exception(error)
    first, *_ = str(error).splitlines() or [""]
    return {"trouble": f"{type(error).__name__}: {first}".rstrip(": ")}


if __name__ == "__main__":
    module, output, *images = sys.argv[1:]
    result = measure(module, Path(images[0]) if images else None)
    Path(output).write_text(json.dumps(result), encoding="utf-8")
