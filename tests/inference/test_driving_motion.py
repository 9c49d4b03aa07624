import json
import math
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.memory import at_most
from _helpers.motions import driving_motion
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cpabmm_core.checkpoint import find_checkpoint, save_checkpoint
from cpabmm_core.errors import CheckpointError, DataError, ShapeError
from cpabmm_core.inference import (
    DrivingMotion,
    InferenceModel,
    extract_motion,
    is_motion_file,
    pose_gap,
)
from cpabmm_core.inference.driving_motion import detector_digest
from cpabmm_core.media import VideoFrame

_RATE = Fraction(25)


def video_frames(count: int, *, width: int = 40, height: int = 32) -> Iterator[VideoFrame]:
    rng = np.random.default_rng(0)
    for number in range(count):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        yield VideoFrame(image, pts=number * (number + 1), duration=2 * number + 2)


def extract(model: InferenceModel, count: int = 5, **options: Any) -> DrivingMotion:  # noqa: ANN401
    return extract_motion(
        model, video_frames(count), time_base=Fraction(1, 600), frame_rate=_RATE, **options
    )


def same(one: DrivingMotion, other: DrivingMotion) -> bool:
    names = ("pts", "durations", "time_base", "frame_rate", "model")
    return torch.equal(one.keypoints, other.keypoints) and all(
        getattr(one, name) == getattr(other, name) for name in names
    )


@pytest.mark.parametrize("numbers", [2, 6])
@pytest.mark.parametrize("frames", [1, 4])
def test_a_saved_motion_is_read_back_exactly(tmp_path: Path, numbers: int, frames: int) -> None:
    motion = driving_motion(frames, numbers=numbers)
    path = tmp_path / "a b'$(c)é.safetensors"
    motion.save(path)
    loaded = DrivingMotion.load(path)
    assert same(loaded, motion)
    assert loaded.path == path
    assert loaded.has_jacobians == (numbers == 6)
    assert loaded.keypoints.dtype == torch.float32
    assert len(loaded) == frames


def test_equal_motions_give_equal_bytes_and_replace_a_file(tmp_path: Path) -> None:
    path, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    other.write_bytes(b"something else")
    for each in (path, other):
        driving_motion().save(each)
    assert path.read_bytes() == other.read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, other.name]


def test_a_motion_file_holds_what_is_documented(tmp_path: Path) -> None:
    path, motion = tmp_path / "m.safetensors", driving_motion()
    motion.save(path)
    with safe_open(path, "pt") as file:
        assert file.metadata() == {
            "format": "cpabmm-motion",
            "format_version": "1",
            "time_base": "1/12800",
            "frame_rate": "30000/1001",
            "model": motion.model,
        }
    tensors = load_file(path)
    assert tensors.keys() == {"keypoints", "pts", "durations"}
    assert torch.equal(tensors["keypoints"], motion.keypoints)
    assert tensors["pts"].tolist() == motion.pts


def test_a_motion_file_is_small(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    driving_motion(5000).save(path)
    assert path.stat().st_size < 5000 * (5 * 2 * 4 + 16) + 1000


def test_times_are_exact(tmp_path: Path) -> None:
    motion = driving_motion(3, pts=[0, 1001, 3003], durations=[1001, 2002, 0])
    assert motion.times == [0.0, 1001 / 12800, 3003 / 12800]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_extraction_keeps_keypoints_and_times_of_every_frame(batch_size: int) -> None:
    model = InferenceModel(tiny_model(), batch_size=batch_size)
    done: list[int] = []
    motion = extract(model, progress=lambda count, _: done.append(count))
    assert motion.pts == [0, 2, 6, 12, 20]
    assert motion.durations == [2, 4, 6, 8, 10]
    assert motion.time_base == Fraction(1, 600)
    assert motion.frame_rate == _RATE
    assert done[-1] == 5
    for frame, points in zip(video_frames(5), motion.keypoints, strict=True):
        with torch.no_grad():
            expected = model.model.keypoints(model.to_input([frame.image]))[0]
        torch.testing.assert_close(points, expected)


def test_extraction_sees_the_given_square() -> None:
    class LeftSquare:
        def cut(self, image: np.ndarray[Any, np.dtype[np.uint8]]) -> Any:  # noqa: ANN401
            return image[:32, :32]

    model = InferenceModel(tiny_model())
    motion = extract(model, 2, framing=LeftSquare())
    frames = [frame.image[:32, :32] for frame in video_frames(2)]
    with torch.no_grad():
        expected = model.model.keypoints(model.to_input(frames))
    torch.testing.assert_close(motion.keypoints, expected)
    assert not torch.allclose(extract(model, 2).keypoints, expected)


def test_extraction_of_affine_keypoints_keeps_jacobians(tmp_path: Path) -> None:
    model = InferenceModel(tiny_model(tiny_affine_config()))
    motion = extract(model)
    assert motion.has_jacobians
    motion.save(tmp_path / "m.safetensors")
    assert same(DrivingMotion.load(tmp_path / "m.safetensors"), motion)


def test_extraction_keeps_no_images() -> None:
    """One batch of the images is in memory, of 280 MB in all."""
    model = InferenceModel(tiny_model(), batch_size=4)

    def frames(count: int) -> Iterator[VideoFrame]:
        for number in range(count):
            yield VideoFrame(np.full((720, 1280, 3), number % 256, np.uint8), number, 1)

    with at_most(40_000_000):
        motion = extract_motion(model, frames(100), time_base=1 / _RATE, frame_rate=_RATE)
    assert len(motion) == 100


def test_a_video_without_frames_has_no_motion() -> None:
    with pytest.raises(DataError, match="no frames; choose another one"):
        extract(InferenceModel(tiny_model()), 0)


def test_a_damaged_model_is_named_as_such() -> None:
    model = tiny_model()
    for parameter in model.keypoint_detector.parameters():
        torch.nn.init.constant_(parameter, math.nan)
    with pytest.raises(CheckpointError, match="detects NaN or infinity: its weights are damaged"):
        extract(InferenceModel(model))


def test_the_best_reference_is_the_frame_nearest_to_the_source() -> None:
    motion = driving_motion(6)
    source = motion.keypoints[3:4] * 0.5 - 0.1
    assert motion.best_reference(source) == 3
    other = driving_motion(6).keypoints[:1].flip(1)
    gaps = [pose_gap(other, frame) for frame in motion.keypoints.split(1)]
    assert motion.best_reference(other) == gaps.index(min(gaps))
    with pytest.raises(ShapeError):
        motion.best_reference(torch.zeros(1, 9, 2))


def test_a_motion_belongs_to_the_weights_of_a_keypoint_detector(tmp_path: Path) -> None:
    model = tiny_model()
    motion = extract(InferenceModel(model))
    motion.check_model(model)
    motion.save(tmp_path / "m.safetensors")
    loaded = DrivingMotion.load(tmp_path / "m.safetensors")
    loaded.check_model(model)
    with torch.no_grad():
        next(model.generator.parameters()).add_(1)
    loaded.check_model(model)  # other networks do not matter
    with torch.no_grad():
        next(model.keypoint_detector.parameters()).view(-1)[0].add_(1e-3)
    with pytest.raises(DataError) as caught:
        loaded.check_model(model)
    assert str(caught.value) == (
        f"{tmp_path}/m.safetensors: is of another model, whose keypoint detector has other "
        "weights; use that model, or extract the motion from the video again"
    )
    with pytest.raises(DataError, match="is of another model"):
        loaded.check_model(tiny_model(tiny_affine_config()))


def test_the_digest_ignores_counters_of_training_and_is_stable() -> None:
    model = tiny_model()
    digest = detector_digest(model)
    for name, buffer in model.keypoint_detector.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.add_(1)
    assert detector_digest(model) == digest
    assert detector_digest(tiny_model(seed=1)) != digest


def test_motion_files_are_recognised_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "motion.mp4"
    driving_motion().save(path)
    assert is_motion_file(path)
    assert is_motion_file(str(path))

    checkpoint = tmp_path / "model.safetensors"
    save_checkpoint(checkpoint, tiny_model(), tiny_config(), record={"format": "cpabmm-motion"})
    plain = tmp_path / "plain.safetensors"
    save_file({"keypoints": torch.zeros(2, 3, 2)}, plain)
    text = tmp_path / "m.txt"
    text.write_text('{"__metadata__": {"format": "cpabmm-motion"}}')
    listed = tmp_path / "list.safetensors"
    listed.write_bytes(struct.pack("<Q", 2) + b"[]")
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    others: list[str | Path] = [
        checkpoint,
        plain,
        text,
        listed,
        fifo,
        tmp_path,
        tmp_path / "missing",
        "-",
        "camera:0",
    ]
    others += [find_checkpoint("puppets"), "\0"]
    assert [is_motion_file(each) for each in others] == [False] * len(others)


def test_a_checkpoint_is_no_motion() -> None:
    path = find_checkpoint("puppets")
    with pytest.raises(DataError) as caught:
        DrivingMotion.load(path)
    assert str(caught.value) == f"{path}: is a checkpoint; give a motion file of cpabmm"


def test_a_cut_motion_file_is_still_recognised_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    driving_motion(20).save(path)
    path.write_bytes(path.read_bytes()[:-50])
    assert is_motion_file(path)
    with pytest.raises(DataError, match=r"m\.safetensors: truncated or damaged") as caught:
        DrivingMotion.load(path)
    assert "\n" not in str(caught.value)


def rewritten(
    path: Path, metadata: dict[str, str | None] | None = None, **tensors: torch.Tensor | None
) -> Path:
    """Write a motion file with changed parts."""
    driving_motion().save(path)
    held: dict[str, torch.Tensor | None] = {**load_file(path), **tensors}
    with safe_open(path, "pt") as file:
        stated: dict[str, str | None] = {**file.metadata(), **(metadata or {})}
    save_file(
        {name: tensor for name, tensor in held.items() if tensor is not None},
        path,
        {key: value for key, value in stated.items() if value is not None},
    )
    return path


_LONG = torch.tensor([0, 1, 2, 3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"metadata": {"format": "other"}},
            "is a safetensors file without a motion; give a motion",
        ),
        ({"metadata": {"format": None}}, "is a safetensors file without a motion"),
        ({"metadata": {"format_version": "2"}}, "has format version 2, .* install a newer cpabmm"),
        ({"metadata": {"format_version": "-1"}}, "truncated or damaged \\(format version '-1'"),
        ({"metadata": {"format_version": "9" * 5000}}, "truncated or damaged"),
        ({"metadata": {"format_version": None}}, "truncated or damaged"),
        ({"metadata": {"time_base": "0/1"}}, 'damaged \\(time_base "0/1"\\)'),
        ({"metadata": {"time_base": "1/0"}}, 'damaged \\(time_base "1/0"\\)'),
        ({"metadata": {"time_base": "0.04"}}, "time_base"),
        ({"metadata": {"time_base": "9" * 5000 + "/1"}}, "time_base"),
        ({"metadata": {"frame_rate": "-25/1"}}, "frame_rate"),
        ({"metadata": {"frame_rate": None}}, "frame_rate"),
        ({"metadata": {"frame_rate": "\x1b[31m"}}, "frame_rate"),
        ({"metadata": {"model": "abc"}}, "its model is no SHA-256 digest"),
        ({"metadata": {"model": None}}, "its model is no SHA-256 digest"),
        ({"keypoints": None}, "it holds durations, pts"),
        ({"pts": None}, "it holds durations, keypoints"),
        ({"extra": torch.zeros(1)}, "it holds durations, extra, keypoints, ..."),
        ({"keypoints": torch.tensor(1.0)}, r"pts has shape \[4\]|keypoints has shape \[\]"),
        ({"keypoints": torch.zeros(4)}, r"expected \(F, N, 2 or 6\) keypoints, got \(4,\)"),
        ({"keypoints": torch.zeros(4, 5, 3)}, r"expected \(F, N, 2 or 6\) keypoints"),
        ({"keypoints": torch.zeros(4, 0, 2)}, r"expected \(F, N, 2 or 6\) keypoints"),
        ({"keypoints": torch.zeros(4, 5, 2).double()}, "keypoints has shape .* and type F64"),
        ({"keypoints": torch.zeros(3, 5, 2)}, r"pts has shape \[4\] and type I64"),
        ({"keypoints": torch.full((4, 5, 2), math.nan)}, "not finite or far outside the frame"),
        ({"keypoints": torch.full((4, 5, 2), math.inf)}, "not finite or far outside the frame"),
        ({"keypoints": torch.full((4, 5, 2), 1e30)}, "not finite or far outside the frame"),
        ({"pts": _LONG.int()}, "pts has shape .* and type I32"),
        ({"pts": _LONG.flip(0)}, "its times do not rise from 0"),
        ({"pts": _LONG - 1}, "its times do not rise from 0"),
        ({"pts": _LONG * 0}, "its times do not rise from 0"),
        ({"pts": torch.tensor([0, 1, 2, 2**63 - 1])}, "its times do not rise from 0"),
        ({"durations": -_LONG}, "a duration is negative or too long"),
        ({"durations": torch.tensor([1, 1, 1, 2**63 - 1])}, "a duration is negative or too long"),
    ],
)
def test_files_of_other_or_damaged_content_are_one_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = rewritten(tmp_path / "m.safetensors", **changes)
    with pytest.raises(DataError, match=message) as caught:
        DrivingMotion.load(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "; " in line
    assert line.isprintable()
    assert len(line) < len(str(path)) + 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"\x80\x02}q\x00.", "is a PyTorch or zip file; give a motion file"),
        (b"PK\x03\x04" + bytes(100), "is a PyTorch or zip file; give a motion file"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(100), "is a video"),
        (b"<html>", "is a web page"),
        (struct.pack("<Q", 20) + b"{" + bytes(40), "truncated or damaged"),
    ],
)
def test_foreign_files_are_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "m.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        DrivingMotion.load(path)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_folder_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; give a motion file"):
        DrivingMotion.load(tmp_path)
    with pytest.raises(DataError, match="does not exist; create it first"):
        driving_motion().save(tmp_path / "missing" / "m.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pts": [0, 1]}, "4 frames, 2 times and 4 durations"),
        ({"keypoints": torch.zeros(0, 5, 2), "pts": [], "durations": []}, "expected"),
        ({"time_base": Fraction(0)}, "its time base and frame rate are not positive"),
        ({"frame_rate": Fraction(-1)}, "its time base and frame rate are not positive"),
    ],
)
def test_parts_that_do_not_fit_together_are_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        driving_motion(**changes)


def test_other_programs_can_write_a_motion(tmp_path: Path) -> None:
    """The header may be in any order; padding and order are those of the other program."""
    motion, path = driving_motion(), tmp_path / "m.safetensors"
    data = {
        "keypoints": ("F32", motion.keypoints.numpy()),
        "durations": ("I64", np.array(motion.durations)),
        "pts": ("I64", np.array(motion.pts)),
    }
    header: dict[str, Any] = {}
    start = 0
    for name in ("durations", "pts", "keypoints"):
        kind, values = data[name]
        header[name] = {
            "dtype": kind,
            "shape": list(values.shape),
            "data_offsets": [start, start := start + values.nbytes],
        }
    header["__metadata__"] = {
        "model": motion.model,
        "frame_rate": "60000/2002",
        "time_base": "1/12800",
        "format": "cpabmm-motion",
        "format_version": "1",
        "note": "of another program",
    }
    text = json.dumps(header, indent=1).encode()
    body = b"".join(data[name][1].tobytes() for name in ("durations", "pts", "keypoints"))
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    assert is_motion_file(path)
    assert same(DrivingMotion.load(path), motion)
