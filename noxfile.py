"""Development tasks: `nox -l` lists them, `nox` runs the default ones."""

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.reuse_existing_virtualenvs = True

QUIET = {"NO_MKDOCS_2_WARNING": "1"}


def install(session: nox.Session, extra: str) -> None:
    """Install the project in development mode with one of its extras.

    With `--no-venv`, the tools of the current environment are used instead.
    """
    if not isinstance(session.virtualenv, nox.virtualenv.PassthroughEnv):
        session.install("-e", f".[{extra}]")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling."""
    install(session, "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy in strict mode."""
    install(session, "dev")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite in parallel; arguments after `--` go to pytest."""
    install(session, "dev")
    processes = os.environ.get("PYTEST_PROCESSES", "auto")
    session.run("pytest", "-n", processes, "--dist", "loadfile", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the test suite and fail below the coverage floor set in pyproject.toml."""
    install(session, "dev")
    session.run(
        *("pytest", "-n", "auto", "--dist", "loadfile"),
        *("--cov", "--cov-report=term", "--cov-report=xml"),
        *session.posargs,
    )


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site; warnings are errors. `-- serve` serves it locally."""
    install(session, "docs")
    if "serve" in session.posargs:
        session.run("mkdocs", "serve", env=QUIET)
    else:
        session.run("mkdocs", "build", "--strict", env=QUIET)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks, or those given after `--`."""
    install(session, "bench")
    benchmarks = session.posargs or [
        str(path) for path in sorted(Path("tests/benchmarks").glob("bench_*.py"))
    ]
    session.run("pytest", "-s", *benchmarks)


@nox.session
def build(session: nox.Session) -> None:
    """Build the source distribution and the wheel, and check their metadata."""
    session.install("build", "twine")
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, Path("dist").glob("cpabmm-*")))
