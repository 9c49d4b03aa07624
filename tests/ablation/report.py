"""The report of an ablation, on the terminal and in the documentation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from ablation.curves import draw_curves
from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.records import Record, read_records
from ablation.rows import ROWS
from ablation.store import Key, Store
from ablation.tables import (
    Comparison,
    candidate_table,
    difference_table,
    row_table,
    value_table,
)

PAGES = ("ablation", "collapse")
"""The pages in ``docs/results``, each of which reports the runs of one recipe."""
_COLUMNS = 120
_END = "<!-- end of ablation -->"


@dataclass(frozen=True)
class Files:
    """The page of one recipe, and the files that are named after it."""

    root: Path
    """The folder that holds ``docs``."""
    name: str = PAGES[0]
    """The page."""

    @property
    def page(self) -> Path:
        """The page."""
        return self.root / "docs" / "results" / f"{self.name}.md"

    @property
    def records(self) -> Path:
        """The scores of each run and video."""
        return self.page.with_suffix(".jsonl")

    def image(self, name: str) -> Path:
        """Return a picture of the page."""
        return self.root / "docs" / "images" / f"{self.name}-{name}"


@dataclass(frozen=True)
class SetReport:
    """What is written about one data set."""

    name: str
    tables: str
    machines: str

    def block(self, picture: Path) -> str:
        """Return the Markdown of its place in the page, without the picture if it is missing."""
        parts = [self.tables, fill(self.machines, _COLUMNS, break_on_hyphens=False)]
        if picture.exists():
            parts.append(
                f"![Held-out videos of {self.name}: source, driving frame, and the output of "
                f"rows.](../images/{picture.name})"
            )
        return "\n\n".join(parts)


def report_sets(records: Sequence[Record]) -> list[SetReport]:
    """Return the report of each data set that has runs, in the order of the table of sets."""
    reports = []
    for name in DATA_SETS:
        found = [record for record in records if record.key.data_set == name]
        if found:
            reports.append(_report_set(name, found))
    return reports


def _report_set(name: str, records: Sequence[Record]) -> SetReport:
    runs = Comparison(records)
    tables = [value_table(runs), difference_table(runs), candidate_table(runs)]
    machines = sorted({str(r.facts["machine"]) for r in records if r.facts.get("machine")})
    commits = sorted({str(r.facts["commit"]) for r in records if r.facts.get("commit")})
    facts = f"Machine: {'; and '.join(machines)}. Commit: {', '.join(commits)}."
    return SetReport(name, "\n\n".join(table for table in tables if table), facts)


def document(
    paths: Sequence[Path],
    files: Files,
    draw: Callable[[Sequence[tuple[Store, Key]], Path], object],
) -> list[str]:
    """Write tables, pictures, curves and records into the documentation.

    A picture shows the first seed of each row whose model is in one of the folders. Without any,
    an existing picture is kept.

    Args:
        paths: folders of ablations and files of records, as for `read_records`.
        files: the page and what belongs to it.
        draw: draws the picture of a data set: the runs and the folders that have them, the file.

    Returns:
        Names of data sets that have no place in the page.
    """
    records = sorted(read_records(*paths), key=lambda record: record.key)
    text = files.page.read_text(encoding="utf-8")
    text, _ = replace_block(text, "rows", row_table())
    text, _ = replace_block(text, "records", _records_text(files.records.name))
    homeless = []
    for each in report_sets(records):
        picture = files.image(f"{each.name}.png")
        if runs := _with_models(paths, each.name):
            draw(runs, picture)
        text, found = replace_block(text, each.name, each.block(picture))
        if not found:
            homeless.append(each.name)
    files.page.write_text(text, encoding="utf-8")
    lines = "".join(f"{record.as_line()}\n" for record in records)
    files.records.write_text(lines, encoding="utf-8")
    curves = files.image("learning.svg")
    curves.parent.mkdir(parents=True, exist_ok=True)
    curves.write_text(draw_curves(records), encoding="utf-8")
    return homeless


def _records_text(name: str) -> str:
    return f"""[`{name}`]({name}) holds the scores of each run and video.
`python -m tests.ablation report docs/results/{name}` computes the tables from it."""


def _with_models(paths: Sequence[Path], data_set: str) -> list[tuple[Store, Key]]:
    """Return the first seed of each row that one of the folders has, in the order of the table."""
    stores = [Store(path) for path in paths if path.is_dir()]
    found = [(store, key) for store in stores for key in store.results()]
    first: dict[str, tuple[Store, Key]] = {}
    for store, key in sorted(found, key=lambda run: run[1].seed):
        if key.data_set == data_set:
            first.setdefault(key.row, (store, key))
    return [first[row.name] for row in ROWS if row.name in first]


def replace_block(page: str, name: str, block: str) -> tuple[str, bool]:
    """Put a block between its markers, and return the page and whether it has such a place.

    A place is a line ``<!-- ablation: NAME -->``, then anything, then
    ``<!-- end of ablation -->``.
    """
    start = f"<!-- ablation: {name} -->"
    before, found, rest = page.partition(start)
    _, closed, after = rest.partition(_END)
    if not (found and closed):
        return page, False
    return f"{before}{start}\n\n{block}\n\n{_END}{after}", True
