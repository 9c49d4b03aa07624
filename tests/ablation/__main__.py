"""Compare the motions, the training recipe and spline-to-CPAB models under equal budgets.

python -m tests.ablation run --data puppets=DIR actions=DIR taichi=DIR --out RUNS
python -m tests.ablation evaluate RUNS
python -m tests.ablation report RUNS --docs
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))  # as for pytest

from ablation.data_sets import BY_NAME as DATA_SETS  # noqa: E402
from ablation.data_sets import prepare  # noqa: E402
from ablation.people import PeopleJoints, open_people_joints  # noqa: E402
from ablation.records import read_records  # noqa: E402
from ablation.report import PAGES, Files, document, report_sets  # noqa: E402
from ablation.rows import BY_NAME as ROWS  # noqa: E402
from ablation.rows import PLANS, select_rows  # noqa: E402
from ablation.store import Budget, Store  # noqa: E402

from cpabmm_cli.stopping import StopOnSignal  # noqa: E402
from cpabmm_core.errors import CpabmmError, TrainingStopped  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit code."""
    options = _parse(arguments)
    try:
        return {"run": _run, "evaluate": _evaluate, "report": _report}[options.command](options)
    except TrainingStopped as stopped:
        print(f"stopped; the same command continues ({stopped})", file=sys.stderr)
        return 128 + stopped.signal
    except CpabmmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.ablation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train and score what is missing")
    run.add_argument("plans", nargs="*", metavar="PLAN", help=f"{', '.join(PLANS)}; default: all")
    run.add_argument("--data", nargs="+", required=True, type=_data_set, metavar="SET=DIR")
    run.add_argument("--out", type=Path, required=True, metavar="RUNS", help="folder of the runs")
    run.add_argument("--core", type=int, metavar="N", help="use this processor core only")
    run.add_argument(
        "--steps", type=_positive, default=Budget.steps, help="training steps of a row"
    )
    run.add_argument("--tuning-steps", type=_positive, default=Budget.tuning_steps)
    run.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="for every row")
    evaluate = commands.add_parser("evaluate", help="score finished runs again")
    evaluate.add_argument("out", type=Path, metavar="RUNS")
    evaluate.add_argument("--core", type=int, metavar="N", help="use this processor core only")
    evaluate.add_argument("--sets", nargs="+", default=list(DATA_SETS), choices=list(DATA_SETS))
    report = commands.add_parser("report", help="print the tables")
    report.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="RUNS",
        help="folders, and files of records; of several runs of one row and seed, the last counts",
    )
    report.add_argument(
        "--docs",
        nargs="?",
        const=PAGES[0],
        choices=PAGES,
        metavar="PAGE",
        help=f"write them to a page of docs/results, with pictures: {' or '.join(PAGES)}",
    )
    for command in (run, evaluate):
        command.add_argument("--rows", nargs="+", default=[], choices=list(ROWS), metavar="ROW")
        command.add_argument(
            "--people",
            type=Path,
            metavar="FILE",
            help="pose_landmark_full.tflite of mediapipe, for AKD on actions and taichi",
        )
        command.add_argument(
            "--device", choices=("cpu", "cuda"), default="cpu", help="trains and scores the models"
        )
        command.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED")
    return parser.parse_args(arguments)


def _data_set(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if name not in DATA_SETS or not folder:
        raise argparse.ArgumentTypeError(f"{text}: expected one of {', '.join(DATA_SETS)}, =DIR")
    return name, Path(folder)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return number


def _run(options: argparse.Namespace) -> int:
    _use_one_core(options.core)
    _compute_in_float32()
    from ablation.running import Ablation

    store = Store(options.out)
    store.settle(Budget(options.steps, options.tuning_steps, tuple(options.set)))
    folders: dict[str, Path] = dict(options.data)
    for name, folder in folders.items():
        prepare(DATA_SETS[name], folder, store.data(name))
    rows = select_rows(options.plans, options.rows)
    with StopOnSignal() as stop:
        runs = Ablation(
            store,
            rows,
            list(folders),
            options.seeds,
            stop,
            _say,
            people=_people(options),
            device=options.device,
        )
        left = runs.run_missing()
    for key in left:
        _say(f"{key}: missing")
    return int(bool(left))


def _evaluate(options: argparse.Namespace) -> int:
    _use_one_core(options.core)
    _compute_in_float32()
    from ablation.running import Ablation

    store = Store(options.out)
    store.budget()
    rows = select_rows((), options.rows)
    with StopOnSignal() as stop:
        runs = Ablation(
            store,
            rows,
            options.sets,
            options.seeds,
            stop,
            _say,
            people=_people(options),
            device=options.device,
        )
        _say(f"{runs.evaluate_all()} runs scored")
    return 0


def _report(options: argparse.Namespace) -> int:
    from ablation.panels import write_panel

    for each in report_sets(read_records(*options.paths)):
        print(f"## {each.name}\n\n{each.tables}\n\n{each.machines}\n")
    if options.docs:
        files = Files(TESTS.parent, options.docs)
        for name in document(options.paths, files, write_panel):
            print(f"{files.page}: no place for {name}", file=sys.stderr)
    return 0


def _people(options: argparse.Namespace) -> PeopleJoints | None:
    return None if options.people is None else open_people_joints(options.people)


def _use_one_core(core: int | None) -> None:
    """Compute in one thread, so that times are comparable and processes do not disturb another."""
    import torch

    torch.set_num_threads(1)
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _compute_in_float32() -> None:
    """Keep scores free of TF32, which GPUs use for convolutions by default."""
    import torch

    torch.backends.cudnn.allow_tf32 = False


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
