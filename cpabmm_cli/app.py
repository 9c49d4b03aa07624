"""Entry point: global options and the table of commands."""

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from cpabmm_cli.commands import (
    animate,
    checkpoints,
    convert,
    export,
    fit_cpab,
    info,
    metrics,
    reconstruct,
    train,
)
from cpabmm_cli.commands import app as web_app
from cpabmm_cli.commands.preprocess import preprocess_app
from cpabmm_cli.console import terminal
from cpabmm_cli.failures import explain, with_exit_code

TERMINATED = 143

app = typer.Typer(
    name="cpabmm",
    help="Animate a still image with the motion of a video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command("animate")(with_exit_code(animate.animate))
app.command("reconstruct")(with_exit_code(reconstruct.reconstruct))
app.command("metrics")(with_exit_code(metrics.metrics))
app.command("fit-cpab")(with_exit_code(fit_cpab.fit_cpab))
app.command("train")(with_exit_code(train.train))
app.command("convert")(with_exit_code(convert.convert))
app.command("export")(with_exit_code(export.export))
app.command("info")(with_exit_code(info.info))
app.command("checkpoints")(with_exit_code(checkpoints.checkpoints))
app.command("app")(with_exit_code(web_app.app))
app.add_typer(preprocess_app, name="preprocess")


def _print_version(requested: bool) -> None:
    if requested:
        from cpabmm_core import __version__

        terminal.result(f"cpabmm {__version__}")
        raise typer.Exit


@app.callback()
def configure(
    *,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Show only results and errors, no messages or progress."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Animate a still image with the motion of a video."""
    terminal.quiet = quiet
    terminal.debug = debug


def main() -> None:
    """Run the command line with the arguments of the process."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except OSError as error:  # help or a version that stdout does not take; commands report theirs
        code, message = explain(error)
        terminal.error(message)
        sys.exit(code)
    finally:  # all clean-up is done, so the handler is no longer needed
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    """Exit through the `finally` blocks, so that no temporary file is left behind."""
    sys.exit(TERMINATED)
