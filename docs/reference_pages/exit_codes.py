"""The table of exit codes, read from the errors of the core."""

import inspect
import re

from reference_pages.tables import code, table

_CODE = re.compile(r"\s*\(exit code [^)]*\)")


def exit_code_table() -> str:
    """Return every error of the core with the exit code of the command line."""
    from cpabmm_cli.failures import explain
    from cpabmm_core import errors

    rows = []
    for name, kind in vars(errors).items():
        if not inspect.isclass(kind) or not issubclass(kind, errors.CpabmmError):
            continue
        codes = [130, 143] if kind is errors.TrainingStopped else [explain(kind("trouble"))[0]]
        number = ", ".join(map(str, codes))
        summary = _CODE.sub("", (inspect.getdoc(kind) or "").partition("\n\n")[0])
        rows.append((code(name), number, summary))
    return table(["error", "exit code", "meaning"], rows)
