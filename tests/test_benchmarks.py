"""The runner of the benchmarks, with benchmarks that take no time."""

import json
from pathlib import Path

import pytest
from benchmarks import __main__ as runner
from benchmarks._growth import Axis, Demand, Growth, Point, growth_table
from benchmarks._report import Row, alternate, describe_machine, seconds_text
from benchmarks._runs import Run, find_benchmarks, instruction_sets, run
from benchmarks._tables import console_table, page_block, rewrite_page

ROOT = Path(__file__).parents[1]

WORKING = """
import os
from pathlib import Path
from benchmarks._report import Row

INSTRUCTION_SETS = ("native", "avx2")

def measure() -> list[Row]:
    print("words of the benchmark")
    capability = os.environ.get("ATEN_CPU_CAPABILITY", "all")
    return [Row("a task", "the peer", peer_seconds=3.0, ours_seconds=1.5, note=capability)]
"""
DRAWING = """
from pathlib import Path
from benchmarks._report import Row

def measure() -> list[Row]:
    return [Row("b", "c", 1.0, 4.0)]

def document(images: Path) -> tuple[list[Row], str]:
    (images / "b.svg").write_text("<svg/>")
    return measure(), "![b](../images/b.svg)"
"""
ELSEWHERE = """
from dataclasses import replace
from benchmarks._report import Machine, Row, describe_machine

def machine() -> Machine:
    return replace(describe_machine(), instruction_set="a GPU")

def measure() -> list[Row]:
    return [Row("a task", "the peer", 3.0, 1.5)]
"""
FAILING = "def measure():\n    raise ValueError('no luck\\nand more')\n"
NEEDY = "import package_of_nobody\ndef measure():\n    return []\n"
SKIPPED = "import pytest\ndef measure():\n    pytest.skip('needs a GPU')\n"
EMPTY = "def measure():\n    return []\n"
KILLED = "import os\ndef measure():\n    os.kill(os.getpid(), 9)\n"
SLEEPING = "import time\ndef measure():\n    time.sleep(1000)\n"
ONLY_PYTEST = "def test_accuracy():\n    assert True\n"

PAGE = """# Speed

<!-- benchmark: {name} -->
old
<!-- end of benchmark -->

kept

<!-- benchmark: other -->

as it was

<!-- end of benchmark -->
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "fakes"
    folder.mkdir()
    return folder


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        (folder / f"bench_{name}.py").write_text(text)


def one_row(name: str = "fast") -> Run:
    return Run(name, "native", (Row("a task", "the peer", 3.0, 1.5),), describe_machine())


def test_only_modules_that_measure_are_found_and_none_is_imported(folder: Path) -> None:
    write(folder, fast=WORKING, accuracy=ONLY_PYTEST, failing=FAILING, broken="import nothing\n")
    found = find_benchmarks(folder)
    assert list(found) == ["failing", "fast"]
    assert found["fast"].instruction_sets == ("native", "avx2")
    assert found["failing"].instruction_sets == ("native",)


def test_a_cpu_without_avx512_runs_no_benchmark_twice(folder: Path) -> None:
    write(folder, fast=WORKING)
    [benchmark] = find_benchmarks(folder).values()
    assert instruction_sets(benchmark, ["avx2"]) == ("native",)
    assert instruction_sets(benchmark, ["avx2", "avx512f"]) == ("native", "avx2")


def test_a_benchmark_names_what_computes_it(folder: Path) -> None:
    write(folder, elsewhere=ELSEWHERE)
    [benchmark] = find_benchmarks(folder).values()
    found = run(benchmark, "native")
    assert found.machine is not None
    assert found.machine.instruction_set == "a GPU"


def test_a_run_held_to_avx2_says_so_and_its_libraries_hear_it(folder: Path) -> None:
    write(folder, fast=WORKING)
    [benchmark] = find_benchmarks(folder).values()
    held = run(benchmark, "avx2")
    assert held.rows == (Row("a task", "the peer", 3.0, 1.5, note="avx2"),)
    assert held.machine is not None
    assert held.machine.instruction_set == "held to AVX2"


@pytest.mark.parametrize(
    ("text", "trouble", "failed"),
    [
        (FAILING, "ValueError: no luck", True),
        (NEEDY, "left out: needs the package package_of_nobody", False),
        ("import _helpers.nothing\n" + EMPTY, "ModuleNotFoundError", True),
        (SKIPPED, "left out: needs a GPU", False),
        (EMPTY, "left out: does not apply to this machine", False),
        (KILLED, "ended by signal 9", True),
    ],
)
def test_what_goes_wrong_is_told(folder: Path, text: str, trouble: str, failed: bool) -> None:
    write(folder, it=text)
    result = run(find_benchmarks(folder)["it"])
    assert result.trouble.startswith(trouble)
    assert (result.rows, result.failed) == ((), failed)


def test_a_benchmark_that_never_ends_is_ended(folder: Path) -> None:
    write(folder, it=SLEEPING)
    result = run(find_benchmarks(folder)["it"], limit=0.5)
    assert (result.trouble, result.failed) == ("took longer than 0 s", True)


def test_one_table_with_every_run(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder, drawing=DRAWING, failing=FAILING)
    file = tmp_path / "results.json"
    names = ["drawing", "failing", "absent"]
    code = runner.main([*names, "--quick", "--json", str(file)], benchmarks=folder)
    assert code == 1
    printed = capfd.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells[2:]] == names
    assert cells[2][1] == "b"
    assert cells[2][3:] == ["4.00 s", "c", "1.00 s", "0.25"]
    assert cells[3][1] == "ValueError: no luck"
    assert cells[4][1] == "there is no such benchmark"
    assert len({len(line) for line in lines}) == 1
    results = json.loads(file.read_text())
    assert [result["benchmark"] for result in results] == names
    assert results[0]["rows"][0]["ratio"] == 0.25
    assert results[0]["machine"]["packages"]["torch"]


def test_the_code_is_0_if_all_ran_or_do_not_apply(folder: Path) -> None:
    write(folder, empty=EMPTY, skipped=SKIPPED)
    assert runner.main(["--quick"], benchmarks=folder) == 0


def test_docs_writes_the_page_and_the_plots(folder: Path, tmp_path: Path) -> None:
    write(folder, drawing=DRAWING, failing=FAILING)
    page, images = tmp_path / runner.PAGE, tmp_path / runner.IMAGES
    page.parent.mkdir(parents=True)
    images.mkdir()
    page.write_text(PAGE.format(name="drawing"))
    runner.main(["--docs"], benchmarks=folder, root=tmp_path)
    text = page.read_text()
    assert "![b](../images/b.svg)" in text
    assert (images / "b.svg").read_text() == "<svg/>"
    assert "as it was" in text


def test_docs_needs_full_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        runner.main(["--docs", "--quick"])
    assert end.value.code == 2
    assert "leave out --quick" in capsys.readouterr().err


def test_a_page_changes_between_the_markers_of_what_ran() -> None:
    page = PAGE.format(name="fast")
    text, homeless = rewrite_page(page, [one_row(), one_row("unknown")])
    assert homeless == ["unknown"]
    start, end = "<!-- benchmark: fast -->\n", "<!-- end of benchmark -->"
    before, _, after = page.partition(f"{start}old\n{end}")
    assert text.startswith(before)
    assert text.endswith(after)
    assert text.removeprefix(before).removesuffix(after) == (
        f"{start}\n{page_block([one_row()])}\n\n{end}"
    )
    assert rewrite_page(text, [one_row()])[0] == text


def test_a_failed_benchmark_keeps_its_place() -> None:
    page = PAGE.format(name="fast")
    failed = Run("fast", "native", trouble="no luck", failed=True)
    assert rewrite_page(page, [failed]) == (page, [])


def test_a_place_without_an_end_takes_nothing() -> None:
    page = "<!-- benchmark: fast -->\nthe rest of the page\n"
    assert rewrite_page(page, [one_row()]) == (page, ["fast"])


def test_the_block_names_machine_and_ratio() -> None:
    block = page_block([one_row()])
    assert "| a task |" in block
    assert "| 1.50 s | the peer | 3.00 s | 2.00 |" in block
    assert f"torch {describe_machine().packages['torch']}" in block.replace("\n", " ")
    assert all(len(line) <= 120 for line in block.splitlines() if "|" not in line)


def test_a_table_of_nothing_has_only_its_head() -> None:
    assert len(console_table([]).splitlines()) == 2


def test_alternate_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCHMARKS_QUICK", raising=False)
    calls: list[str] = []
    times = alternate([lambda: calls.append("a"), lambda: calls.append("b")], repeats=2)
    assert calls == ["a", "b"] * 3
    assert len(times) == 2
    monkeypatch.setenv("BENCHMARKS_QUICK", "1")
    alternate([lambda: calls.append("c")], repeats=5, warm_up=0)
    assert calls.count("c") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(123.4, "123 s"), (12.34, "12.3 s"), (1.0, "1.00 s"), (0.9996, "1000 ms"), (2e-7, "0.20 µs")],
)
def test_times_have_three_digits(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_a_place_that_shows_results_belongs_to_a_benchmark() -> None:
    names = set(find_benchmarks(ROOT / "tests" / "benchmarks"))
    page = (ROOT / runner.PAGE).read_text(encoding="utf-8")
    places = [part.partition(" -->\n") for part in page.split("<!-- benchmark: ")[1:]]
    filled = {name for name, _, text in places if not text.startswith("\nNot measured yet.\n")}
    assert filled
    assert filled <= names
    assert len({name for name, *_ in places}) == len(places)
    assert all(text.count("<!-- end of benchmark -->") == 1 for *_, text in places)


def test_exponents_of_known_growth() -> None:
    axis = Axis("items", "a task", (1, 2, 4, 8), lambda size: lambda: size, Demand(2, 1))
    sizes = axis.sizes
    square = Growth(axis, tuple(Point(n, 0.5 * n**2, 100.0 * (n - 1)) for n in sizes))
    assert square.exponent == pytest.approx(2)
    assert square.memory_exponent == pytest.approx(1)
    assert square.row.ratio == pytest.approx(1)
    constant = Growth(axis, tuple(Point(n, 1.0 + n, 20.0) for n in sizes))
    assert constant.memory_exponent is None
    cubic = Growth(axis, tuple(Point(n, 1.0 * n**3, 0.0) for n in sizes))
    assert cubic.row.ratio == pytest.approx(1 / 4)  # four times the size, one power too many
    assert "| 3.00 | 2 |" in growth_table([cubic])
