import pytest

from cpabmm_core.metrics.comparison import Comparison, Run, compare
from cpabmm_core.metrics.comparison_formats import as_document, as_latex, as_markdown, as_text
from cpabmm_core.metrics.results import MEASURES


def run(method: str, data: str = "", **values: float) -> Run:
    everything = {measure.key: values.get(measure.key) for measure in MEASURES}
    return Run(method, data, everything, {}, frozenset())


@pytest.fixture
def comparison() -> Comparison:
    return compare([run("a|b_1", l1=0.5, akd=2.0), run("ours", l1=0.25)])


@pytest.fixture
def grouped() -> Comparison:
    return compare([run("a", "vox", l1=0.5, akd=1.0), run("b", "ted_384", l1=0.25)])


def test_text(comparison: Comparison) -> None:
    assert as_text(comparison) == (
        "       L1 ↓      AKD ↓\na|b_1  0.50000   2.000\nours   0.25000*  -"
    )


def test_markdown(comparison: Comparison) -> None:
    assert as_markdown(comparison).splitlines() == [
        "| method | L1 ↓ | AKD ↓ |",
        "| --- | ---: | ---: |",
        r"| a\|b_1 | 0.50000 | 2.000 |",
        "| ours | **0.25000** | - |",
    ]


def test_latex(comparison: Comparison) -> None:
    assert as_latex(comparison).splitlines() == [
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
    assert as_latex(grouped).splitlines()[2:6] == [
        r" & \multicolumn{2}{c}{vox} & \multicolumn{1}{c}{ted\_384} \\",
        r" & L1 $\downarrow$ & AKD $\downarrow$ & L1 $\downarrow$ \\",
        r"\midrule",
        r"a & 0.50000 & 1.000 & - \\",
    ]
    assert as_markdown(grouped).startswith("| method | vox L1 ↓ | vox AKD ↓ | ted_384 L1 ↓ |")


def test_document(comparison: Comparison, grouped: Comparison) -> None:
    assert as_document(comparison) == {
        "rows": [
            {"method": "a|b_1", "data": None, "l1": 0.5, "akd": 2.0, "best": []},
            {"method": "ours", "data": None, "l1": 0.25, "akd": None, "best": ["l1"]},
        ]
    }
    assert [(row["method"], row["data"]) for row in as_document(grouped)["rows"]] == [
        ("a", "vox"),
        ("b", "ted_384"),
    ]


@pytest.mark.parametrize("sign", "&%$#_{}")
def test_signs_of_latex_in_names(sign: str) -> None:
    assert f"x\\{sign}y & " in as_latex(compare([run(f"x{sign}y", l1=1.0)]))


def test_a_backslash_and_signs_that_only_words_can_stand_for() -> None:
    line = as_latex(compare([run("a\\b~c^d", l1=1.0)])).splitlines()[4]
    assert line.startswith(r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d & ")
