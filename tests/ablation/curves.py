"""How the validation error of some rows falls during training, as an SVG."""

from collections.abc import Iterator, Sequence

from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.records import Record
from benchmarks._svg import BLUE, FAINT, GREEN, GREY, ORANGE, Place, document, line, text

ROWS = {
    "tps": ORANGE,
    "cpab": BLUE,
    "cpab-paper": GREEN,
    "mraa": GREY,
}
"""The rows that are drawn, if they have runs, and their colours."""
_WIDTH, _HEIGHT = 300, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 20, 48, 42
_LOW, _HIGH, _STEP = 0.5, 1.0, 0.1
"""Range and grid of the error, relative to the static baseline."""


def draw_curves(records: Sequence[Record]) -> str:
    """Return one panel for each data set, with a line for each run of the `ROWS`.

    Args:
        records: runs; those without validations are left out.
    """
    drawn = [r for r in records if r.key.row in ROWS and r.facts.get("validation")]
    sets = [name for name in DATA_SETS if any(r.key.data_set == name for r in drawn)]
    rows = [row for row in ROWS if any(r.key.row == row for r in drawn)]
    parts = []
    for number, name in enumerate(sets):
        parts.append(f'<g transform="translate({number * _WIDTH} 0)">')
        parts += _panel(name, rows, [r for r in drawn if r.key.data_set == name])
        parts.append("</g>")
    return document(_WIDTH * max(1, len(sets)), _HEIGHT, parts)


def _panel(name: str, rows: Sequence[str], records: Sequence[Record]) -> Iterator[str]:
    last = max(step for record in records for step, _ in record.facts["validation"])
    across, up = (
        _scale(0, last, _LEFT, _WIDTH - _RIGHT),
        _scale(_LOW, _HIGH, _HEIGHT - _BOTTOM, _TOP),
    )
    yield text(_WIDTH / 2, 14, name, "middle", size=12)
    for number, row in enumerate(rows):
        yield text(_LEFT + 64 * number, 34, row, "start", ROWS[row])
    for tick in range(round((_HIGH - _LOW) / _STEP) + 1):
        value = _LOW + tick * _STEP
        yield f'<path d="M{_LEFT} {up(value):.1f}H{_WIDTH - _RIGHT}" stroke="{FAINT}"/>'
        yield text(_LEFT - 5, up(value) + 4, f"{value:.1f}", "end")
    for step in (0, last // 2, last):
        yield text(across(step), _HEIGHT - _BOTTOM + 14, f"{step:,}", "middle")
    yield text(_WIDTH / 2, _HEIGHT - _BOTTOM + 30, "training step", "middle")
    for record in sorted(records, key=lambda r: list(ROWS).index(r.key.row), reverse=True):
        points = [(step, min(error, _HIGH)) for step, error in record.facts["validation"]]
        yield line(points, across, up, ROWS[record.key.row])


def _scale(low: float, high: float, start: float, end: float) -> Place:
    return lambda value: start + (value - low) / (high - low) * (end - start)
