import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from _helpers.published_model import (
    Family,
    narrow_config,
    narrow_networks,
    published_shapes,
    write_narrow_model,
)
from _helpers.tiny_model import tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.checkpoint.convert import convert_checkpoint, open_checkpoint
from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.checkpoint.layouts import LAYOUTS, Layout
from cpabmm_core.checkpoint.layouts.tpsmm import our_name
from cpabmm_core.config import load_config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.models.build import build_model

FAMILIES: tuple[Family, ...] = ("tpsmm", "fomm", "mraa")
Networks = dict[str, dict[str, Tensor]]


class Trap:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def error_of(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        convert_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def layout_of(kind: str) -> Layout:
    return next(layout for layout in LAYOUTS if layout.kind == kind)


def full_networks(family: Family) -> Networks:
    """Return networks of the published widths that use no memory."""
    return {
        network: {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
        for network, shapes in published_shapes(family).items()
    }


def flat(networks: Networks) -> dict[str, Tensor]:
    return {
        f"{n}.{key}": tensor for n, tensors in networks.items() for key, tensor in tensors.items()
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_published_widths_are_derived_from_the_tensors(family: Family) -> None:
    tensors = flat(full_networks(family))
    [layout] = [layout for layout in LAYOUTS if layout.matches(tensors)]
    assert layout.kind == family
    model = layout.model(tensors)
    dense = {"block_expansion": 64, "max_features": 1024, "blocks": 5, "scale_factor": 0.25}
    assert model["dense_motion"] == dense
    downs = 3 if family == "tpsmm" else 2
    widest = 512 if family == "tpsmm" else 256
    paint = {"block_expansion": 64, "max_features": widest, "down_blocks": downs}
    assert model["inpainting"] == paint
    if family != "tpsmm":
        detector = {"block_expansion": 32, "max_features": 1024, "blocks": 5, "scale_factor": 0.25}
        assert {key: model["affine"][key] for key in detector} == detector
        assert (model["affine"]["keypoints"], model["affine"]["bottleneck_blocks"]) == (10, 6)


@pytest.mark.parametrize(
    "name",
    [
        f"{data}-{row}"
        for data in ("vox-256", "taichi-256", "ted-384", "mgif-256")
        for row in ("tps", "fomm", "mraa")
    ],
)
def test_shipped_configurations_are_the_published_models(name: str) -> None:
    family: Family = {"tps": "tpsmm", "fomm": "fomm", "mraa": "mraa"}[name.rsplit("-", 1)[1]]  # type: ignore[assignment]
    with torch.device("meta"):
        ours = build_model(load_config(name)).state_dict()
    networks = full_networks(family)
    if name == "mgif-256-fomm":  # its configuration has one map of Jacobians for all keypoints
        detector = networks["kp_detector"]
        detector |= {k: t[:4] for k, t in detector.items() if k.startswith("jacobian.")}
    layout, tensors = layout_of(family), flat(networks)
    theirs = layout.adapt({layout.rename(n): t for n, t in layout.weights(tensors).items()})
    shapes = {n: list(t.shape) for n, t in theirs.items()}
    if family != "mraa":  # its avd network does not have the default sizes
        shapes = {n: shape for n, shape in shapes.items() if not n.startswith("avd.")}
    if name.startswith("mgif"):
        shapes = {n: shape for n, shape in shapes.items() if not n.startswith("background_")}
    assert shapes == {n: list(t.shape) for n, t in ours.items()}


def test_mraa_tensors_match_the_published_file_sizes() -> None:
    """The repository's LFS pointers state the sizes; pickle needs the rest."""
    published = {"with background": 273_409_176, "without": 248_256_308}
    networks = full_networks("mraa")
    tensors = {
        "with background": flat(networks),
        "without": flat({name: part for name, part in networks.items() if name != "bg_predictor"}),
    }
    for name, size in published.items():
        numbers = sum(
            tensor.numel() * (8 if key.endswith("num_batches_tracked") else 4)
            for key, tensor in tensors[name].items()
        )
        assert 0 < size - numbers < 80_000


@pytest.mark.parametrize("family", FAMILIES)
def test_every_network_is_read_and_the_rest_is_listed(family: Family, tmp_path: Path) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar", family)
    conversion = convert_checkpoint(path, frame_size=128)
    model, config, record = conversion.checkpoint()
    layout = layout_of(family)
    assert conversion.left_out == ["optimizer", "epoch"]
    assert record["converted_from"]["kind"] == family
    assert record["converted_from"]["file"] == "narrow.pth.tar"
    assert record["converted_from"]["bytes"] == path.stat().st_size
    assert len(record["converted_from"]["sha256"]) == 64
    assert config.data.frame_size == 128
    assert config.model.relative_hull_scaling == model.relative_hull_scaling == (family != "fomm")
    sampled = layout.weights(flat(narrow_networks(family)))
    expected = layout.adapt({layout.rename(name): tensor for name, tensor in sampled.items()})
    state = model.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_written_conversion_is_read_back(family: Family, tmp_path: Path) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar", family)
    output = tmp_path / "ours.safetensors"
    conversion = convert_checkpoint(path, frame_size=128)
    conversion.save(output)
    written = conversion.checkpoint()
    loaded = load_checkpoint(output)
    assert (loaded.config, loaded.record, loaded.kind) == (written.config, written.record, family)
    state = loaded.model.state_dict()
    assert all(torch.equal(state[name], t) for name, t in written.model.state_dict().items())
    again = convert_checkpoint(output)
    again.save(tmp_path / "again.safetensors")
    assert again.record == written.record
    assert (tmp_path / "again.safetensors").read_bytes() == output.read_bytes()


def wrapped(networks: Networks) -> object:
    return {n: {f"module.{key}": t for key, t in part.items()} for n, part in networks.items()}


def halves(networks: Networks) -> object:
    return {
        n: {key: t.half() if t.is_floating_point() else t for key, t in part.items()}
        for n, part in networks.items()
    }


def enveloped(networks: Networks) -> object:
    return {"state_dict": networks, "epoch": 3}


def flat_wrapped(networks: Networks) -> object:
    return {f"module.{name}": tensor for name, tensor in flat(networks).items()}


@pytest.mark.parametrize("change", [wrapped, halves, enveloped, flat_wrapped])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_ways_to_save_the_same_networks(
    family: Family, change: Callable[[Networks], object], tmp_path: Path
) -> None:
    networks = narrow_networks(family)
    plain = (
        convert_checkpoint(save(tmp_path / "a.pth", networks), frame_size=128).checkpoint().model
    )
    path = save(tmp_path / "b.pth", change(networks))
    changed = convert_checkpoint(path, frame_size=128).checkpoint().model.state_dict()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(
            changed[name], tensor, rtol=1e-3, atol=1e-6
        )  # the types agree as well


def test_files_of_old_pytorch_versions_and_of_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FOMM's and MRAA's files are older than PyTorch's zip format; most were saved on a GPU."""
    monkeypatch.setattr("torch.serialization.location_tag", lambda storage: "cuda:0")
    for zipped in (False, True):
        path = tmp_path / f"{zipped}.pth.tar"
        torch.save(narrow_networks("fomm"), path, _use_new_zipfile_serialization=zipped)
        assert b"cuda:0" in path.read_bytes()
        model = convert_checkpoint(path, frame_size=128).checkpoint().model
        assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}


def test_safetensors_file_of_published_tensors(tmp_path: Path) -> None:
    path = tmp_path / "vox.safetensors"
    safetensors.torch.save_file(flat(narrow_networks("tpsmm")), path)
    assert open_checkpoint(path).kind == "tpsmm"


@pytest.mark.parametrize("empty", [False, True])
def test_background_and_avd_networks_may_be_missing(empty: bool, tmp_path: Path) -> None:
    for family in ("tpsmm", "mraa"):
        networks = narrow_networks(family)
        for name in ("bg_predictor", "avd_network"):
            del networks[name]
            if empty:
                networks[name] = {}
        conversion = convert_checkpoint(save(tmp_path / "a.pth.tar", networks), frame_size=128)
        model = conversion.checkpoint().model
        assert (model.background_predictor, model.avd) == (None, None)
        assert conversion.left_out == []


def test_paper_layout_is_recognised_by_its_global_candidate(tmp_path: Path) -> None:
    model = build_model(narrow_config("cpab"))
    ours = model.state_dict()
    theirs = {our_name(name): name for name in flat(narrow_networks("tpsmm"))}
    networks: Networks = {}
    for name, tensor in ours.items():
        network, key = theirs[name].split(".", 1)
        networks.setdefault(network, {})[key] = tensor
    networks["dense_motion_network"]["down.weight"] = torch.ones(3, 1, 13, 13)
    conversion = convert_checkpoint(save(tmp_path / "paper.pth.tar", networks), frame_size=128)
    checkpoint = conversion.checkpoint()
    assert (checkpoint.kind, conversion.title) == ("cpabmm-paper", "the paper's own code")
    assert checkpoint.config == narrow_config("cpab", cpab={"fit": "paper"})
    assert all(torch.equal(t, ours[name]) for name, t in checkpoint.model.state_dict().items())


def test_our_own_tensors_without_a_configuration(tmp_path: Path) -> None:
    config = narrow_config("cpab", avd={"id_bottle_size": 4, "pose_bottle_size": 8})
    model = build_model(config)
    path = save(tmp_path / "weights.pth", {f"module.{n}": t for n, t in model.state_dict().items()})
    checkpoint = convert_checkpoint(path, frame_size=128).checkpoint()
    assert (checkpoint.config, checkpoint.kind) == (config, "cpabmm")


def test_our_own_tensors_by_their_names_in_version_1(tmp_path: Path) -> None:
    config = narrow_config("cpab", avd={"id_bottle_size": 4, "pose_bottle_size": 8})
    tensors = build_model(config).state_dict()
    older = {re.sub(r"^generator\.", "inpainting.", name): t for name, t in tensors.items()}
    assert older.keys() != tensors.keys()
    path = save(tmp_path / "weights.pth", older)
    checkpoint = convert_checkpoint(path, frame_size=128).checkpoint()
    assert (checkpoint.config, checkpoint.kind) == (config, "cpabmm")
    for name, tensor in checkpoint.model.state_dict().items():
        assert torch.equal(tensor, tensors[name]), name


def test_our_own_checkpoint_of_an_older_version_gets_todays_configuration(tmp_path: Path) -> None:
    """Before avd, affine motion, their losses and what mode relative scales."""
    path, config = tmp_path / "old.safetensors", tiny_config()
    save_checkpoint(path, tiny_model(config), config, record={"step": 3})
    values = config.model_dump(mode="json")
    del values["avd"], values["model"]["avd"], values["model"]["affine"]
    del values["model"]["relative_hull_scaling"]
    del values["losses"]["frame_equivariance"]
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), "config": json.dumps(values)}
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, metadata)
    output = tmp_path / "new.safetensors"
    convert_checkpoint(path).save(output)
    assert load_checkpoint(output).config == config
    assert b"frame_equivariance" in output.read_bytes()
    with pytest.raises(CheckpointError, match="states a frame size of 32 pixels itself"):
        convert_checkpoint(path, frame_size=64)


@pytest.mark.parametrize(
    ("name", "family", "size"),
    [
        ("ted.pth.tar", "tpsmm", 384),
        ("vox.pth.tar", "tpsmm", 256),
        ("ted384.pth", "mraa", 384),
        ("ted.pth.tar", "fomm", None),
        ("mine.pth", "tpsmm", None),
    ],
)
def test_frame_size_is_that_of_the_published_file(
    name: str, family: Family, size: int | None, tmp_path: Path
) -> None:
    conversion = convert_checkpoint(write_narrow_model(tmp_path / name, family))
    assert conversion.config.data.frame_size == (size or 256)
    assert conversion.size_is_known == (size is not None)
    assert ("assumed" in str(conversion)) == (size is None)


def test_only_one_published_file_pads_its_heatmaps(tmp_path: Path) -> None:
    for name, padding in (("vox256.pth", 3), ("taichi256.pth", 0)):
        config = convert_checkpoint(write_narrow_model(tmp_path / name, "mraa")).config
        assert config.model.affine.padding == padding


def test_fomm_with_one_jacobian_for_all_keypoints_or_none(tmp_path: Path) -> None:
    networks = narrow_networks("fomm")
    detector = networks["kp_detector"]
    weight, bias = detector["jacobian.weight"][:4], detector["jacobian.bias"][:4]
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    for single in (True, False):
        for key in ("jacobian.weight", "jacobian.bias"):
            detector.pop(key)
        if single:
            detector |= {"jacobian.weight": weight, "jacobian.bias": bias}
        conversion = convert_checkpoint(save(tmp_path / "a.pth", networks), frame_size=128)
        assert conversion.config.model.affine.single_jacobian_map
        model = conversion.checkpoint().model
        assert model.state_dict()["keypoint_detector.jacobians.conv.weight"].shape[0] == 4
        matrices = model.keypoints(image)[0, :, 2:]
        if single:
            detector["jacobian.weight"] = weight.repeat(10, 1, 1, 1)
            detector["jacobian.bias"] = bias.repeat(10)
            full = convert_checkpoint(save(tmp_path / "b.pth", networks), frame_size=128)
            assert not full.config.model.affine.single_jacobian_map
            expected = full.checkpoint().model.keypoints(image)[0, :, 2:]
            torch.testing.assert_close(matrices, expected)
        else:
            torch.testing.assert_close(matrices, torch.eye(2).flatten().expand(10, 4))


HTML = b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 350993469\n"


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (HTML, "is a web page; download the file itself"),
        (POINTER, "is a Git LFS pointer, not the file itself; run `git lfs pull`"),
        (b"", "is empty"),
        (b"PK\x03\x04 and no more", "truncated or damaged"),
        (b"\x80\x02}q\x00", "truncated or damaged"),
        (b"words", "is a text file, not a file of safetensors or PyTorch; give a checkpoint"),
    ],
    ids=["web page", "lfs pointer", "empty", "half a zip", "half a pickle", "text"],
)
def test_other_files_are_named(content: bytes, trouble: str, tmp_path: Path) -> None:
    path = tmp_path / "vox.pth.tar"
    path.write_bytes(content)
    assert trouble in error_of(path)
    assert "no such file" in error_of(tmp_path / "none.pth.tar")


@pytest.mark.parametrize("kept", [0.3, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_file_is_damaged(kept: float, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth.tar"
    torch.save(narrow_networks("fomm"), path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert "damaged" in error_of(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_the_file_is_executed(zipped: bool, tmp_path: Path) -> None:
    path, sprung = tmp_path / "trap.pth.tar", tmp_path / "sprung"
    content = {**narrow_networks("fomm"), "epoch": Trap(sprung)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    message = error_of(path)
    assert f"would call {os.mkdir.__module__}.mkdir, which no file of weights needs" in message
    assert "nothing in it was executed" in message
    assert not sprung.exists()
    torch.load(path, weights_only=False)  # the trap works
    assert sprung.exists()


def test_file_without_networks_is_refused(tmp_path: Path) -> None:
    only = save(tmp_path / "a.pth", {"optimizer": {"state": {}, "groups": [1]}, "epoch": 3})
    assert "holds no networks, only optimizer, epoch" in error_of(only)
    assert "holds a list, not tensors by name" in error_of(save(tmp_path / "b.pth", [1, 2]))
    assert "holds one tensor," in error_of(save(tmp_path / "c.pth", torch.ones(2)))
    assert "c.pth: holds nothing; give the file" in error_of(save(tmp_path / "c.pth", {}))


def test_unknown_layout_is_reported_with_its_first_names(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.pth", {"encoder": {"layer.weight": torch.ones(2), "b": torch.ones(1)}}
    )
    message = error_of(path)
    assert "has an unknown layout (it holds encoder.b, encoder.layer.weight, ...)" in message
    assert "TPSMM, the paper's own code, FOMM, MRAA" in message


def test_part_of_a_model_is_reported_with_what_it_lacks(tmp_path: Path) -> None:
    networks = narrow_networks("fomm")
    del networks["generator"]
    message = error_of(save(tmp_path / "a.pth", networks))
    assert (
        "resembles a checkpoint of FOMM, but has no generator.dense_motion_network.mask" in message
    )
    assert "give the complete file as published" in message
    networks = narrow_networks("tpsmm")
    del networks["dense_motion_network"]["hourglass.decoder.up_blocks.4.conv.weight"]
    message = error_of(save(tmp_path / "b.pth", networks))
    assert "but no usable dense_motion_network.hourglass.decoder.up_blocks.4.conv.weight" in message


def test_differing_networks_are_reported_by_their_original_names(tmp_path: Path) -> None:
    networks = narrow_networks("tpsmm")
    networks["inpainting_network"]["attention.weight"] = torch.ones(2)
    networks["kp_detector"]["fg_encoder.conv1.weight"] = torch.ones(64, 4, 7, 7)
    del networks["inpainting_network"]["final.bias"]
    message = error_of(save(tmp_path / "fork.pth.tar", networks))
    assert "has the layout of TPSMM, but its networks differ" in message
    assert "1 missing (generator.to_rgb.bias)" in message
    assert "1 unknown (inpainting_network.attention.weight)" in message
    assert "kp_detector.fg_encoder.conv1.weight is [64, 4, 7, 7], not [64, 3, 7, 7]" in message
    assert "forks and other variants" in message


@pytest.mark.parametrize("family", ["fomm", "mraa"])
def test_fork_with_additional_input_channels(family: Family, tmp_path: Path) -> None:
    networks = narrow_networks(family)
    dense = "dense_motion_network" if family == "fomm" else "pixelwise_flow_predictor"
    name = f"{dense}.hourglass.encoder.down_blocks.0.conv.weight"
    for channels in (45, 440):
        networks["generator"][name] = torch.ones(32, channels, 3, 3)
        message = error_of(save(tmp_path / "fork.pth.tar", networks))
        assert f"generator.{name} is [32, {channels}, 3, 3], not [32, 44, 3, 3]" in message


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    networks = narrow_networks("fomm")
    networks["generator"]["final.bias"] = torch.full((3,), float("nan"))
    assert "generator.final.bias is not finite" in error_of(save(tmp_path / "a.pth", networks))


def test_interrupted_conversion_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar", "fomm")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cpabmm_core.files.output.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint(path, frame_size=128).save(tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == [path]


def test_copy_under_another_name_is_the_same_model(tmp_path: Path) -> None:
    path = write_narrow_model(tmp_path / "narrow.pth.tar", "fomm")
    copy = tmp_path / "copy.pth.tar"
    shutil.copy(path, copy)
    one, other = (convert_checkpoint(file, frame_size=128).checkpoint() for file in (path, copy))
    hashes = {checkpoint.record["converted_from"]["sha256"] for checkpoint in (one, other)}
    assert len(hashes) == 1
