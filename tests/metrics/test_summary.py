import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpabmm_core.metrics.extractors import ExtractorInfo
from cpabmm_core.metrics.identity_distance import IdentitySums
from cpabmm_core.metrics.keypoint_distance import KeypointSums
from cpabmm_core.metrics.metric_info import METRICS
from cpabmm_core.metrics.summary import VideoRecord, merge_sums, summarise
from cpabmm_core.metrics.video_metric import Detections, Tally, VideoSums

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
EXPECTED = json.loads((GOLDEN / "metrics.json").read_text())
DETECTIONS = dict(np.load(GOLDEN / "metrics.npz"))


def record(name: str, frames: int, **means: float | None) -> VideoRecord:
    tallies = {
        key: Tally(0.0, 0) if mean is None else Tally(mean * frames, frames)
        for key, mean in means.items()
    }
    return VideoRecord(name, frames, VideoSums(tallies))


def detected(video: int, kind: str) -> VideoRecord:
    frames = slice(8 * video, 8 * video + 8)
    keypoints, identity = KeypointSums(), IdentitySums()
    keypoints.add(DETECTIONS[f"{kind}_gt"][frames], DETECTIONS[f"{kind}_pred"][frames])
    identity.add(DETECTIONS["id_gt"][frames], DETECTIONS["id_pred"][frames])
    return VideoRecord(str(video), 8, merge_sums([keypoints.compute(), identity.compute()]))


@pytest.mark.parametrize("kind", ["body", "face"])
def test_akd_mkr_and_aed_agree_with_the_scripts_of_the_field(
    kind: str,
) -> None:
    result = summarise([detected(video, kind) for video in range(3)], {}, {})
    assert result.values["akd"] == pytest.approx(EXPECTED[f"{kind}_akd"], abs=1e-12)
    assert result.values["aed"] == pytest.approx(EXPECTED["aed"], abs=1e-12)
    if kind == "body":
        assert result.values["mkr"] == pytest.approx(EXPECTED["body_mkr"], abs=1e-12)
    else:
        assert result.values["mkr"] == pytest.approx(2 / 24, abs=1e-12)
        assert result.coverage["keypoints"].real == 1
        assert result.coverage["keypoints"].generated == 22 / 24
    assert result.videos[0].values["akd"] != result.values["akd"]


def test_l1_averages_frames_and_other_metrics_average_videos() -> None:
    """The field's scripts print the mean of a list with the L1 of each frame."""
    result = summarise(
        [
            record("short", 2, l1=0.5, psnr=10, ssim=0.2, lpips=0.3),
            record("long", 8, l1=0.25, psnr=20, ssim=0.6, lpips=0.1),
        ],
        {},
        {},
    )
    values = result.values
    assert values["l1"] == pytest.approx(np.mean([0.5] * 2 + [0.25] * 8))
    assert values["l1_videos"] == pytest.approx((0.5 + 0.25) / 2)
    assert (values["psnr"], values["ssim"]) == pytest.approx((15, 0.4))
    assert values["lpips"] == pytest.approx(0.2)


def test_an_infinite_psnr_is_null_in_json() -> None:
    result = summarise([record("a", 1, psnr=10), record("b", 1, psnr=math.inf)], {}, {})
    assert (result.values["psnr"], result.intervals["psnr"]) == (None, None)
    assert [video.values["psnr"] for video in result.videos] == [10, None]


def test_metrics_that_were_not_computed_are_null() -> None:
    document: dict[str, Any] = summarise([record("a", 2, l1=0.5)], {}, {}).as_dict()
    for metric in METRICS:
        if metric.key not in ("l1", "l1_videos"):
            assert document[metric.key] is None
    assert document["extractors"] == dict.fromkeys(("keypoints", "identity", "lpips", "fid", "fvd"))
    assert document["coverage"] == {}
    json.dumps(document, allow_nan=False)


def test_a_video_without_a_value_does_not_count() -> None:
    result = summarise(
        [record("a", 4, akd=None), record("b", 1, akd=3.0), record("c", 3, akd=5.0)], {}, {}
    )
    assert result.values["akd"] == 18 / 4
    assert result.intervals["akd"] == (3.0, 5.0)
    assert result.videos[0].values["akd"] is None


def test_one_video_has_no_interval() -> None:
    result = summarise([record("a", 4, l1=0.5)], {}, {})
    assert set(result.intervals.values()) == {None}


def test_set_values_and_extractors_are_part_of_the_result() -> None:
    info = ExtractorInfo("inception", "1", "00ff", "", {"size": "299"})
    result = summarise([record("a", 1, l1=0.5)], {"fid": 12.5}, {"fid": info})
    assert (result.values["fid"], result.values["fvd"]) == (12.5, None)
    assert result.as_dict()["extractors"]["fid"] == {
        "name": "inception",
        "version": "1",
        "weights": "00ff",
        "options": {"size": "299"},
    }


def test_coverage_of_a_set_averages_frames() -> None:
    videos = [
        VideoRecord("a", 4, VideoSums({}, {"identity": Detections(4, 1)})),
        VideoRecord("b", 1, VideoSums({}, {"identity": Detections(0, 0)})),
    ]
    result = summarise(videos, {}, {})
    assert vars(result.coverage["identity"]) == {"real": 4 / 5, "generated": 1 / 5}
    assert vars(result.videos[0].coverage["identity"]) == {"real": 1, "generated": 0.25}
