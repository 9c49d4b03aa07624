import json
from pathlib import Path

import pytest
import torch
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.published_model import narrow_networks, write_narrow_model
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CPABMM_CACHE", str(folder))
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_narrow_model(tmp_path / "narrow.pth.tar", "fomm")


@pytest.fixture
def driving(tmp_path: Path) -> Path:
    frames = [Image.new("RGB", (64, 64), (40 * i, 90, 200)) for i in range(3)]
    path = tmp_path / "driving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    return path


def test_path_is_the_result_and_the_rest_is_a_message(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "ours.safetensors"
    result = run("convert", published, "-o", output, "--size", 128)
    assert (result.exit_code, result.stdout) == (0, f"{output}\n")
    assert result.stderr == (
        f"{published}: checkpoint of FOMM, motion affine, frames 128 x 128; "
        "left out: optimizer, epoch\n"
    )
    assert output.is_file()


def test_json_is_one_document(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "ours.safetensors"
    document = document_of("convert", published, "-o", output)
    origin = document.pop("converted_from")
    assert (origin["kind"], origin["file"]) == ("fomm", "narrow.pth.tar")
    assert document == {
        "output": str(output),
        "motion": "affine",
        "frame_size": 256,
        "frame_size_known": False,
        "parts": ["keypoint_detector", "dense_motion", "generator"],
        "left_out": ["optimizer", "epoch"],
    }


def test_info_shows_the_origin(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "ours.safetensors"
    output_of("convert", published, "-o", output, "--size", 128)
    document = document_of("info", output)
    assert (document["kind"], document["motion"]) == ("fomm", "affine")
    assert (document["frame_size"], document["keypoints"]) == (128, 10)
    assert document["widths"] == {
        "keypoint_detector": {
            "block_expansion": 8,
            "max_features": 64,
            "blocks": 5,
            "bottleneck_blocks": 6,
        },
        "dense_motion": {"block_expansion": 16, "max_features": 64, "blocks": 5},
        "generator": {"block_expansion": 16, "max_features": 64, "down_blocks": 2},
    }
    assert document["record"]["converted_from"]["sha256"]
    networks = narrow_networks("fomm")
    weights = sum(
        tensor.numel()
        for tensors in networks.values()
        for key, tensor in tensors.items()
        if not key.endswith(("down.weight", "running_mean", "running_var", "num_batches_tracked"))
    )
    assert document["parameters"]["total"] == weights


def test_impossible_outputs_are_refused(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "ours.safetensors"
    result = run("convert", published, "-o", tmp_path / "ours.pth")
    assert result.exit_code == 2
    assert "ends in .safetensors" in result.stderr
    output.write_bytes(b"kept")
    assert_fails(3, "convert", published, "-o", output, words="already exists")
    assert output.read_bytes() == b"kept"
    assert_fails(3, "convert", published, "-o", tmp_path / "no" / "a.safetensors", words="create")
    output_of("convert", published, "-o", output, "--force")
    assert_fails(3, "convert", output, "-o", output, "--force", words="is also an input")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"PK\x03\x04", "truncated or damaged"),
    ],
)
def test_other_files_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "vox.pth.tar"
    path.write_bytes(content)
    output, before = tmp_path / "a.safetensors", sorted(tmp_path.rglob("*"))
    assert_fails(4, "convert", path, "-o", output, words=words)
    assert_fails(4, "info", path, words=words)
    assert_fails(4, "convert", tmp_path / "no.pth", "-o", output, words="no such file")
    assert sorted(tmp_path.rglob("*")) == before


def test_size_that_the_networks_cannot_have_is_refused(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.safetensors"
    words = "frame_size: 100 is not divisible by 128"
    assert_fails(4, "convert", published, "-o", output, "--size", 100, words=words)


def test_commands_accept_a_published_file_and_cache_its_conversion(
    published: Path, driving: Path, cache: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.png"
    Image.new("RGB", (64, 64), (90, 40, 10)).save(source)
    output = tmp_path / "out.mp4"
    arguments = ["animate", source, driving, "-o", output, "--checkpoint", published]
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    [cached] = (cache / "converted").iterdir()
    assert f"converted to {cached}" in result.stderr
    assert json.loads(result.stdout)["frames"] == 3
    again = run(*arguments, "--force")
    assert "converted to" not in again.stderr
    assert output_of("info", published).startswith(f"checkpoint: {cached}\n")
    folder = tmp_path / "again"
    document = document_of("reconstruct", driving, "-o", folder, "--checkpoint", published)
    assert document["videos"][0]["frames"] == 3
    assert list((cache / "converted").iterdir()) == [cached]


def test_published_checkpoint_by_name(driving: Path, cache: Path, tmp_path: Path) -> None:
    words = "fomm-mgif: not on this machine; put mgif-cpk.pth.tar from https://"
    assert_fails(4, "info", "fomm-mgif", words=words)
    (cache / "checkpoints").mkdir(parents=True)
    write_narrow_model(cache / "checkpoints" / "mgif-cpk.pth.tar", "fomm")
    document = document_of("info", "fomm-mgif")
    assert (document["kind"], document["frame_size"]) == ("fomm", 256)
    assert document["record"]["converted_from"]["file"] == "mgif-cpk.pth.tar"


def test_bad_size_is_a_usage_error(published: Path, tmp_path: Path) -> None:
    result = run("convert", published, "-o", tmp_path / "a.safetensors", "--size", 0)
    assert result.exit_code == 2


def test_file_with_code_is_one_line(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "trap.pth.tar"
    torch.save({**narrow_networks("fomm"), "epoch": Trap()}, path)
    output = tmp_path / "a.safetensors"
    assert_fails(4, "convert", path, "-o", output, words="nothing in it was executed")
    assert not output.exists()
    assert not (tmp_path / "sprung").exists()
