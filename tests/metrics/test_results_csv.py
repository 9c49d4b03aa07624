import csv
from pathlib import Path

import pytest

from cpabmm_core.errors import OutputExistsError
from cpabmm_core.metrics.results_csv import write_csv
from cpabmm_core.metrics.summary import VideoRecord, summarise
from cpabmm_core.metrics.video_metric import Detections, Tally, VideoSums

NAMES = ["plain", 'with, a comma and "quotes"']


def test_writes_a_row_per_video_and_a_last_row_for_the_set(tmp_path: Path) -> None:
    found = {"keypoints": Detections(2, 1)}
    videos = [
        VideoRecord(name, 2, VideoSums({"l1": Tally(number, 2), "akd": Tally(0, 0)}, found))
        for number, name in enumerate(NAMES)
    ]
    path = tmp_path / "a.csv"
    write_csv(path, summarise(videos, {"fid": 3.5}, {}), force=False)
    with path.open(newline="") as file:
        first, second, of_set = csv.DictReader(file)
    assert [row["name"] for row in (first, second, of_set)] == [*NAMES, "(all)"]
    assert [row["frames"] for row in (first, second, of_set)] == ["2", "2", "4"]
    assert [row["l1"] for row in (first, second, of_set)] == ["0.0", "0.5", "0.25"]
    assert (second["akd"], second["fid"], of_set["akd"], of_set["fid"]) == ("", "", "", "3.5")
    assert (of_set["keypoints_real"], of_set["keypoints_generated"]) == ("1.0", "0.5")
    assert of_set["identity_real"] == ""


def test_an_existing_file_is_replaced_only_with_force(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("existing")
    result = summarise([VideoRecord("a", 1, VideoSums({"l1": Tally(0, 1)}))], {}, {})
    with pytest.raises(OutputExistsError):
        write_csv(path, result, force=False)
    assert path.read_text() == "existing"
    write_csv(path, result, force=True)
    assert path.read_text().startswith("name,frames,l1,")
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_of_bytes_that_are_no_text_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    result = summarise([VideoRecord("动\udcff", 1, VideoSums({"l1": Tally(0, 1)}))], {}, {})
    write_csv(path, result, force=False)
    assert path.read_bytes().splitlines()[1].startswith("动\\udcff,1,".encode())
