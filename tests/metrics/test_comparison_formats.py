import pytest

from cpabmm_core.metrics.comparison import Comparison, Run, compare_runs
from cpabmm_core.metrics.comparison_formats import comparison_document, format_comparison
from cpabmm_core.metrics.metric_info import METRICS


def run(method: str, data: str = "", **values: float) -> Run:
    all_values = {metric.key: values.get(metric.key) for metric in METRICS}
    return Run(method, data, all_values, {}, frozenset())


@pytest.fixture
def comparison() -> Comparison:
    return compare_runs([run("a|b_1", l1=0.5, akd=2.0), run("ours", l1=0.25)])


@pytest.fixture
def grouped() -> Comparison:
    return compare_runs([run("a", "vox", l1=0.5, akd=1.0), run("b", "ted_384", l1=0.25)])


def test_text(comparison: Comparison) -> None:
    assert format_comparison(comparison) == (
        "       L1 ↓      AKD ↓\na|b_1  0.50000   2.000\nours   0.25000*  -"
    )


def test_markdown(comparison: Comparison) -> None:
    assert format_comparison(comparison, "markdown").splitlines() == [
        "| method | L1 ↓ | AKD ↓ |",
        "| --- | ---: | ---: |",
        r"| a\|b_1 | 0.50000 | 2.000 |",
        "| ours | **0.25000** | - |",
    ]


def test_latex(comparison: Comparison) -> None:
    assert format_comparison(comparison, "latex").splitlines() == [
        r"\begin{tabular}{lcc}",
        r"\toprule",
        r" & L1 $\downarrow$ & AKD $\downarrow$ \\",
        r"\midrule",
        r"a|b\_1 & 0.50000 & 2.000 \\",
        r"ours & \textbf{0.25000} & - \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_data_sets_are_column_groups(grouped: Comparison) -> None:
    assert format_comparison(grouped, "latex").splitlines()[2:6] == [
        r" & \multicolumn{2}{c}{vox} & \multicolumn{1}{c}{ted\_384} \\",
        r" & L1 $\downarrow$ & AKD $\downarrow$ & L1 $\downarrow$ \\",
        r"\midrule",
        r"a & 0.50000 & 1.000 & - \\",
    ]
    markdown = format_comparison(grouped, "markdown")
    assert markdown.startswith("| method | vox L1 ↓ | vox AKD ↓ | ted_384 L1 ↓ |")


def test_document(comparison: Comparison, grouped: Comparison) -> None:
    assert comparison_document(comparison) == {
        "rows": [
            {"method": "a|b_1", "data": None, "l1": 0.5, "akd": 2.0, "best": []},
            {"method": "ours", "data": None, "l1": 0.25, "akd": None, "best": ["l1"]},
        ]
    }
    assert [(row["method"], row["data"]) for row in comparison_document(grouped)["rows"]] == [
        ("a", "vox"),
        ("b", "ted_384"),
    ]


@pytest.mark.parametrize("sign", "&%$#_{}")
def test_special_characters_of_latex_are_escaped(sign: str) -> None:
    table = format_comparison(compare_runs([run(f"x{sign}y", l1=1.0)]), "latex")
    assert f"x\\{sign}y & " in table


def test_backslash_tilde_and_caret_become_latex_commands() -> None:
    table = format_comparison(compare_runs([run("a\\b~c^d", l1=1.0)]), "latex")
    line = table.splitlines()[4]
    assert line.startswith(r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d & ")
