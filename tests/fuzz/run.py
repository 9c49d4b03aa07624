"""Fuzz the readers of files and print what was found; see README.md in this folder."""

import argparse
import importlib
import signal
import sys
from pathlib import Path

sys.path[0:1] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from fuzz.driver import Driver, Summary
from fuzz.minimise import minimise_findings
from fuzz.report import describe

TARGETS = ("pictures", "videos", "keypoints", "configurations", "checkpoints")


def main() -> int:
    """Fuzz the chosen targets one after the other; return 1 if anything was found."""
    arguments = _arguments()
    summaries: list[Summary] = []
    stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = driver.stopping = True

    for name in arguments.targets or TARGETS:
        target = importlib.import_module(f"fuzz.targets.{name}").TARGET
        folder = arguments.out if len(arguments.targets) == 1 else arguments.out / name
        driver = Driver(target, folder, arguments.seed)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        summaries.append(driver.run(arguments.seconds))
        if not stopped:
            minimise_findings(name, folder)
        text = describe(summaries, arguments.out)
        if stopped:
            break
    sys.stdout.write(text)
    (arguments.out / "summary.txt").write_text(text)
    return int(any(summary.findings for summary in summaries))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=1200, help="time per target")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
