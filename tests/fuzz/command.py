"""Fuzz the readers of files and print what was found."""

import argparse
import signal
import sys
from pathlib import Path

from fuzz.driver import Driver, Summary
from fuzz.minimise import minimise_findings
from fuzz.replay import replay
from fuzz.report import describe
from fuzz.targets import TARGETS, load_target


def main() -> int:
    """Fuzz the chosen targets one after the other; return 1 if anything was found."""
    arguments = _arguments()
    if arguments.replay:
        return replay(arguments.targets[0], arguments.replay.resolve())
    out: Path = arguments.out
    summaries: list[Summary] = []
    for name in arguments.targets or TARGETS:
        folder = out if len(arguments.targets) == 1 else out / name
        driver = Driver(load_target(name), folder, arguments.seed)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, driver.stop)
        summaries.append(driver.run(arguments.seconds))
        if driver.stopped:
            break
        minimise_findings(name, folder)
    text = describe(summaries, out)
    sys.stdout.write(text)
    (out / "summary.txt").write_text(text)
    return int(any(summary.findings for summary in summaries))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; default: all"
    )
    parser.add_argument("--seconds", type=float, default=1200, help="time for each target")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder of the results")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="only read this file with TARGET"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.targets if name not in TARGETS]
    if unknown or (arguments.replay and len(arguments.targets) != 1):
        parser.error(f"TARGET is one of {', '.join(TARGETS)}; --replay takes one")
    return arguments
