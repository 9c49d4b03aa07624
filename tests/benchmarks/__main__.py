"""Run the benchmarks: `python -m tests.benchmarks [NAME...] [--docs] [--quick] [--json FILE]`."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))  # as for pytest

from benchmarks._report import describe_machine  # noqa: E402
from benchmarks._runs import Benchmark, Run, find_benchmarks, instruction_sets, run  # noqa: E402
from benchmarks._tables import console_table, rewrite_page  # noqa: E402

PAGE = Path("docs/results/speed.md")
IMAGES = Path("docs/images")


def main(
    arguments: Sequence[str] | None = None,
    *,
    benchmarks: Path = TESTS / "benchmarks",
    root: Path = TESTS.parent,
) -> int:
    """Run the benchmarks that are named, print the table, and return the exit code.

    Args:
        arguments: the words of the command line; None takes those of this process.
        benchmarks: the folder of the benchmarks.
        root: the folder that holds ``docs``.

    Returns:
        0 if every benchmark ran or does not apply to this machine, 1 otherwise.
    """
    options = _parse(arguments)
    found = find_benchmarks(benchmarks)
    if options.list:
        print("\n".join(found))
        return 0
    images = root / IMAGES if options.docs else None
    runs: list[Run] = []
    for each in _run_all(options.names or list(found), found, options.quick, images):
        runs.append(each)
        print(f"{each.benchmark}: {each.trouble or f'{each.seconds:.0f} s'}", file=sys.stderr)
    print(describe_machine())
    print(console_table(runs))
    if options.json:
        text = json.dumps([each.to_dict() for each in runs], indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.docs:
        _document(root / PAGE, runs)
    return int(any(each.failed for each in runs))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all by default")
    parser.add_argument("--docs", action="store_true", help=f"write tables and plots to {PAGE}")
    parser.add_argument("--quick", action="store_true", help="once each, with native instructions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    options = parser.parse_args(arguments)
    if options.docs and options.quick:
        parser.error("--docs needs full measurements; leave out --quick")
    return options


def _run_all(
    names: Sequence[str], found: dict[str, Benchmark], quick: bool, images: Path | None
) -> Iterator[Run]:
    flags = describe_machine().flags
    for name in names:
        if name not in found:
            yield Run(name, "native", trouble="there is no such benchmark", failed=True)
            continue
        sets = ("native",) if quick else instruction_sets(found[name], flags)
        for held in sets:
            yield run(found[name], held, quick=quick, images=images)


def _document(page: Path, runs: Sequence[Run]) -> None:
    text, homeless = rewrite_page(page.read_text(encoding="utf-8"), runs)
    page.write_text(text, encoding="utf-8")
    for name in homeless:
        print(f"{page}: no marker for {name}; add <!-- benchmark: {name} -->", file=sys.stderr)


if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, lambda number, _: sys.exit(128 + number)
    )  # ends the benchmark too
    sys.exit(main())
