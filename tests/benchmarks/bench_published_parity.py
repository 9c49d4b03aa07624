"""Largest differences from what TPSMM's and FOMM's own code computes, tensor by tensor.

For MRAA, of whose code there are no numbers, from a second writing of its formulas.

python -m pytest -s tests/benchmarks/bench_published_parity.py
"""

from pathlib import Path

from _helpers import parity


def test_parity(tmp_path: Path) -> None:
    for family, compare in (
        ("TPSMM", parity.tpsmm),
        ("FOMM", parity.fomm),
        ("MRAA, second writing", parity.mraa),
    ):
        print(f"\n| {family} | shape | largest value | largest difference |\n|---|---|---|---|")
        for name, ours, theirs in compare(tmp_path):
            shape = " x ".join(map(str, theirs.shape))
            difference = (ours - theirs).abs().max()
            print(f"| {name} | {shape} | {theirs.abs().max():.2f} | {difference:.1e} |")
            assert difference < 1e-4
