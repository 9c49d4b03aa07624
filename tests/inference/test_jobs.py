"""Tables of animations: what a row means, and all that can be wrong with one."""

import json
from pathlib import Path

import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.inference.jobs import AnimationJob, read_jobs
from cpabmm_core.inference.settings import AnimationSettings


def read(folder: Path, text: str, name: str = "t.csv", **defaults: object) -> list[AnimationJob]:
    table = folder / name
    table.write_text(text, encoding="utf-8")
    return read_jobs(table, "out", defaults)


def test_rows_of_csv_and_of_json_lines_mean_the_same(tmp_path: Path) -> None:
    rows = [
        {"source": "a.png", "driving": "b.mp4", "motion-scale": 1.5, "compare": True},
        {"source": "c.png", "driving": "b.mp4", "output": "deep/o.webm", "motion_scale": 2},
    ]
    csv = "source,driving,output,motion-scale,compare\na.png,b.mp4,,1.5,true\n"
    csv += "c.png,b.mp4,deep/o.webm,2,\n"
    first, second = read(tmp_path, csv)
    lines = "\n\n".join(json.dumps(row) for row in rows)
    assert [(j.source, j.driving, j.output, j.settings, j.options) for j in (first, second)] == [
        (j.source, j.driving, j.output, j.settings, j.options)
        for j in read(tmp_path, lines, "t.jsonl")
    ]
    assert (first.line, first.source) == (2, str(tmp_path / "a.png"))
    assert (first.output, second.output) == ("out/a--b.mp4", "out/deep/o.webm")
    assert first.settings == AnimationSettings(motion_scale=1.5, compare=True)
    assert [job.line for job in read(tmp_path, lines, "t.jsonl")] == [1, 3]


def test_a_row_overrides_the_values_for_all_rows(tmp_path: Path) -> None:
    text = "source,driving,smooth,device\na.png,b.mp4,0.2,\nc.png,b.mp4,,cpu\n"
    first, second = read(tmp_path, text, smooth=0.7, device="cuda:1", size=64)
    assert (first.settings.smooth, second.settings.smooth) == (0.2, 0.7)
    assert (first.options.device, second.options.device) == ("cuda:1", "cpu")
    assert first.settings.size == second.settings.size == 64


@pytest.mark.parametrize(
    "text",
    [
        "source;driving\nÄ b.png;d.mp4\n",
        "sep=;\nsource;driving\nÄ b.png;d.mp4\n",
        "source\tdriving\r\nÄ b.png\td.mp4\r\n",
        'driving,source\nd.mp4,"Ä b.png"\n',
        "\ufeffsource,driving\nÄ b.png,d.mp4\n",
    ],
)
def test_spreadsheets_of_every_kind_are_read(tmp_path: Path, text: str) -> None:
    [job] = read(tmp_path, text)
    assert (job.source, job.driving) == (str(tmp_path / "Ä b.png"), str(tmp_path / "d.mp4"))
    assert job.output == "out/Ä b--d.mp4"


@pytest.mark.parametrize(
    "name", ["a b.png", "$(touch x)'\".png", "[b] *.png", "snø 雪.png", "-a.png", "a,b.png"]
)
def test_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    quoted = name.replace('"', '""')
    [job] = read(tmp_path, f'source,driving\n"{quoted}",d.mp4\n')
    assert job.source == str(tmp_path / name)
    assert job.output == f"out/{Path(name).stem}--d.mp4"
    [same] = read(tmp_path, json.dumps({"source": name, "driving": "d.mp4"}), "t.jsonl")
    assert same.source == job.source


def test_absolute_names_stay_and_formats_set_the_suffix(tmp_path: Path) -> None:
    text = "source,driving,format\n/a/s.png,/b/d.mp4,webm\n/a/s.png,/c/e.mp4,png\n"
    first, second = read(tmp_path, text)
    assert (first.source, first.output) == ("/a/s.png", "out/s--d.webm")
    assert second.output == "out/s--e/"


def test_a_checkpoint_beside_the_table_is_found(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"x")
    text = "source,driving,checkpoint\na,b,m.safetensors\na,c,vox\n"
    assert [job.options.checkpoint for job in read(tmp_path, text)] == [
        str(tmp_path / "m.safetensors"),
        "vox",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("source,driving\n", "has no rows"),
        ("source,driving\n,\n \n", "has no rows"),
        ("source\na.png\n", "no column driving"),
        ("source,driving,colour\na,b,c\n", "line 1: unknown column 'colour'"),
        ("source,driving,motion_scal\na,b,1\n", "did you mean motion_scale?"),
        ("source,driving,fit,fit\na,b,pad,pad\n", "line 1: gives fit twice"),
        ("source,driving,hull-scaling,hull_scaling\na,b,1,1\n", "gives hull_scaling twice"),
        ("source,driving\na,b\nc,\n", "line 3: driving: is missing"),
        ("source,driving,crop\na,b,none\nc,d,1\n", "line 3: crop: expected none, auto"),
        ("source,driving,batch-size\na,b,0\n", "line 2: batch_size: expected"),
        ("source,driving,device\na,b,gpu\n", "line 2: device: expected auto, cpu"),
        ("source,driving,mode,hull-scaling\na,b,avd,yes\n", "line 2: hull_scaling: has no"),
        ("source,driving\n-,b\n", "line 2: source: - cannot be part of a table"),
        ("source,driving\na,camera:0\n", "line 2: driving: camera:0 cannot be part"),
        ("source,driving,output\na,b,-\n", "line 2: output: - cannot be part"),
        ("source,driving\na/s,d\na/s,e\nb/s,d\n", "line 4: writes out/s--d.mp4, as line 2 does"),
        ("source,driving,output\na,b,o.mp4\nc,d,./o.mp4\n", "line 3: writes"),
        ("source,driving,save-motion,output\na,b,m,o.mp4\nc,d,m,p.mp4\n", "line 3: writes out/m"),
        ("source,driving\na,b,c\n", "line 2 has 3 fields"),
        ('source,driving\n"a,b\n', "not a valid CSV"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_the_row(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "t.csv"))
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source,driving\na,b\n", "line 1: not a JSON object"),
        ('{"source": "a", "driving": "b"}\n[1]', "line 2: not a JSON object"),
        ('{"source": "a"}', "line 1: driving: is missing"),
        ('{"source": "a", "driving": 3}', "line 1: driving: expected the name of a file"),
        ('{"source": "a", "source": "c", "driving": "b"}', "gives the key 'source' twice"),
        ('{"source": "a", "driving": "b", "sise": 3}', "did you mean size?"),
        ('{"source": "a\\u0000", "driving": "b"}', "zero character"),
        ('{"source": "a", "driving": "b", "size": {"w": 3}}', "line 1: size: expected"),
    ],
)
def test_wrong_json_is_one_line_that_names_the_row(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, "t.jsonl")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_output_never_replaces_an_input_of_any_row(tmp_path: Path) -> None:
    text = f"source,driving,output\na.png,b.mp4,{tmp_path}/d.mp4\nc.png,d.mp4,\n"
    with pytest.raises(DataError, match=r"line 2: replaces .*d\.mp4, an input of line 3"):
        read(tmp_path, text)


def test_a_missing_table_and_a_folder_are_data_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            read_jobs(path, "out")
