import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from _helpers.moving_square import moving_square
from _helpers.system import limited_file_size
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model

from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.checkpoint.header import read_header
from cpabmm_core.config import AvdConfig, Config
from cpabmm_core.errors import CheckpointError, ResourceError
from cpabmm_core.inference.animator import Animator

RECORD = {"steps": 12, "seed": 3, "losses": {"pixel": 0.5}, "note": "an ü"}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, tiny_model(), tiny_config(), record=RECORD)
    return path


def rewrite(
    path: Path,
    *,
    metadata: dict[str, str] | None = None,
    tensors: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> None:
    """Rewrite the file with some metadata or tensors changed."""
    with safetensors.safe_open(path, framework="pt") as file:
        stored = {**file.metadata(), **(metadata or {})}
    safetensors.torch.save_file(tensors(safetensors.torch.load_file(path)), path, stored)


def error_of(path: Path, read: Callable[[Path], object] = load_checkpoint) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_model_is_read_back(checkpoint: Path) -> None:
    model, config, record = load_checkpoint(checkpoint)
    assert config == tiny_config()
    assert record == RECORD
    assert not model.training
    expected = tiny_model().state_dict()
    assert model.state_dict().keys() == expected.keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize(
    "changes",
    [
        {"model.motion": "tps"},
        {"model.background": None},
        {"model.keypoints.head": "heatmap"},
        {"model.avd": {"id_bottle_size": 4, "pose_bottle_size": 4}},
    ],
    ids=["tps", "no background", "heatmap", "avd"],
)
def test_every_kind_of_model_is_read_back(tmp_path: Path, changes: dict[str, object]) -> None:
    assert_read_back(tmp_path / "a.safetensors", tiny_config(**changes))


@pytest.mark.parametrize("frames", ["jacobian", "pca"])
def test_affine_models_are_read_back(tmp_path: Path, frames: str) -> None:
    assert_read_back(tmp_path / "a.safetensors", tiny_affine_config(frames))


def assert_read_back(path: Path, config: Config) -> None:
    model = tiny_model(config)
    save_checkpoint(path, model, config, record={})
    loaded = load_checkpoint(path)
    assert loaded.config == config
    frames = moving_square(2, height=32, width=32)
    for one, other in zip(
        Animator(model).animate(frames[0], frames),
        Animator(loaded.model).animate(frames[0], frames),
        strict=True,
    ):
        assert (one == other).all()


def test_avd_network_is_read_back_next_to_the_other_networks(
    tmp_path: Path, checkpoint: Path
) -> None:
    path, config = tmp_path / "avd.safetensors", tiny_config(**{"model.avd": {}})
    model = tiny_model()
    model.avd = tiny_model(config).avd
    save_checkpoint(path, model, config, record={})
    loaded = load_checkpoint(path)
    assert loaded.config.model.avd == AvdConfig()
    tensors, plain = loaded.model.state_dict(), load_checkpoint(checkpoint).model.state_dict()
    added = {name for name in tensors if name not in plain}
    assert added
    assert all(name.startswith("avd.") for name in added)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensors[name], tensor), name


def test_a_checkpoint_from_before_the_avd_network_loads(checkpoint: Path) -> None:
    values = tiny_config().model_dump(mode="json")
    del values["avd"], values["model"]["avd"]
    rewrite(checkpoint, metadata={"config": json.dumps(values)})
    loaded = load_checkpoint(checkpoint)
    assert loaded.config == tiny_config()
    assert loaded.model.avd is None


@pytest.mark.parametrize(
    "config", [tiny_config(**{"model.avd": {}}), tiny_affine_config(), tiny_affine_config("pca")]
)
def test_a_checkpoint_of_format_version_1_loads(tmp_path: Path, config: Config) -> None:
    path, model = tmp_path / "old.safetensors", tiny_model(config)
    save_checkpoint(path, model, config, record=RECORD)
    rewrite(path, metadata={"format_version": "1"}, tensors=names_of_version_1)
    with safetensors.safe_open(path, framework="pt") as file:
        assert not [name for name in file.keys() if "generator" in name]  # noqa: SIM118
    assert read_header(path).tensors.keys() == model.state_dict().keys()
    loaded = load_checkpoint(path).model.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded[name], tensor), name


def names_of_version_1(tensors: dict[str, Any]) -> dict[str, Any]:
    older = {
        "generator.": "inpainting.",
        "keypoint_detector.jacobians.": "keypoint_detector.frames.",
    }

    def rename(name: str) -> str:
        for today, before in older.items():
            if name.startswith(today):
                return before + name.removeprefix(today)
        return name

    return {rename(name): tensor for name, tensor in tensors.items()}


def test_the_names_of_version_1_are_unknown_in_version_2(checkpoint: Path) -> None:
    rewrite(checkpoint, tensors=names_of_version_1)
    assert " unknown (inpainting." in error_of(checkpoint)


def test_half_precision_is_smaller_and_loads_as_float32(tmp_path: Path, checkpoint: Path) -> None:
    path, model = tmp_path / "half.safetensors", tiny_model()
    save_checkpoint(path, model, tiny_config(), record={}, dtype=torch.float16)
    assert path.stat().st_size < 0.6 * checkpoint.stat().st_size
    loaded = load_checkpoint(path).model.state_dict()
    for name, tensor in model.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-7)


def test_small_running_variances_survive_half_precision(tmp_path: Path) -> None:
    path, model = tmp_path / "half.safetensors", tiny_model()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
            module.running_var.fill_(1e-9)
    save_checkpoint(path, model, tiny_config(), record={}, dtype=torch.float16)
    loaded = load_checkpoint(path).model.state_dict()
    variances = [tensor for name, tensor in loaded.items() if name.endswith("running_var")]
    assert variances
    assert all((variance == 1e-9).all() for variance in variances)


def test_a_weight_too_large_for_the_type(tmp_path: Path) -> None:
    path, model = tmp_path / "half.safetensors", tiny_model()
    torch.nn.init.constant_(model.generator.to_rgb.weight, 1e5)
    with pytest.raises(CheckpointError, match=r"generator\.to_rgb\.weight is too large for torch"):
        save_checkpoint(path, model, tiny_config(), record={}, dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", [{"loss": float("nan")}, {"path": Path("a")}])
def test_record_that_is_not_json_is_refused(tmp_path: Path, record: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="record: expected plain JSON values"):
        save_checkpoint(tmp_path / "a.safetensors", tiny_model(), tiny_config(), record=record)
    assert list(tmp_path.iterdir()) == []


def test_equal_arguments_give_equal_bytes(tmp_path: Path, checkpoint: Path) -> None:
    """safetensors itself writes the metadata in random order."""
    orders = {safetensors.torch.save({}, dict.fromkeys("abcd", "")) for _ in range(20)}
    assert len(orders) > 1
    for _ in range(5):
        again = tmp_path / "again.safetensors"
        save_checkpoint(again, tiny_model(), tiny_config(), record=RECORD)
        assert again.read_bytes() == checkpoint.read_bytes()


def test_saving_replaces_and_leaves_nothing_else(tmp_path: Path, checkpoint: Path) -> None:
    save_checkpoint(checkpoint, tiny_model(seed=1), tiny_config(), record={"steps": 13})
    assert load_checkpoint(checkpoint).record == {"steps": 13}
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_saving_to_a_missing_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.safetensors"
    with pytest.raises(CheckpointError, match="missing does not exist; create it first"):
        save_checkpoint(path, tiny_model(), tiny_config(), record={})


def test_interrupted_save_keeps_the_old_file(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkpoint.read_bytes()

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cpabmm_core.files.output.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(checkpoint, tiny_model(seed=1), tiny_config(), record={})
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_file_has_the_permissions_of_any_new_file(checkpoint: Path) -> None:
    plain = checkpoint.with_name("plain")
    plain.touch()
    assert stat.S_IMODE(checkpoint.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_header_holds_everything_except_the_weights(checkpoint: Path) -> None:
    header = read_header(checkpoint)
    assert (header.config, header.record) == (tiny_config(), RECORD)
    shapes = {name: tuple(tensor.shape) for name, tensor in tiny_model().state_dict().items()}
    assert {name: stored.shape for name, stored in header.tensors.items()} == shapes
    assert header.tensors["generator.to_rgb.weight"].dtype == "F32"


def torch_file(path: Path) -> None:
    torch.save({"state_dict": {}}, path)


def zip_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 30\n"


@pytest.mark.parametrize("read", [load_checkpoint, read_header])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (Path.mkdir, "is a folder"),
        (Path.touch, "is empty"),
        (lambda path: path.write_bytes(b"\n <!DOCTYPE html><html>"), "is a web page"),
        (lambda path: path.write_bytes(LFS_POINTER), "is a Git LFS pointer"),
        (torch_file, "is a PyTorch or zip file"),
        (zip_file, "is a PyTorch or zip file"),
        (lambda path: path.write_bytes(b"\x80\x02}q\x00."), "is a PyTorch or zip file"),
        (
            lambda path: path.write_text("just some text, and more of it"),
            "is a text file, not a file of safetensors or PyTorch",
        ),
        (lambda path: path.write_bytes(b"\x00\x01"), "is neither a safetensors nor"),
        (lambda path: path.write_bytes(b"\xff" * 7 + b"\x7f{"), "truncated or damaged"),
    ],
    ids=[
        *["missing", "folder", "empty", "web page", "lfs", "torch", "zip", "pickle", "text"],
        *["two bytes", "header too long"],
    ],
)
def test_other_files_are_named(
    tmp_path: Path,
    read: Callable[[Path], object],
    make: Callable[[Path], object],
    message: str,
) -> None:
    path = tmp_path / "a.safetensors"
    make(path)
    assert message in error_of(path, read)


@pytest.mark.parametrize("part", [0.001, 0.5, 0.999])
def test_truncated_checkpoint_is_refused(checkpoint: Path, part: float) -> None:
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: int(part * len(data))])
    assert "truncated or damaged" in error_of(checkpoint)


def test_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(2)}, path)
    assert "not a checkpoint of cpabmm" in error_of(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            {"format_version": "3"},
            "format version 3, but this cpabmm reads up to 2; install a newer",
        ),
        ({"format_version": "one"}, "format version 'one'"),
        ({"config": "{"}, "config in its metadata is not JSON"),
        ({"record": "[]"}, "record in its metadata is not JSON"),
        ({"config": json.dumps({"modell": {}})}, "unknown key modell; did you mean model?"),
        ({"config": json.dumps({"data": {"frame_size": 33}})}, "frame_size: 33 is not divisible"),
    ],
)
def test_wrong_metadata_is_refused(
    checkpoint: Path, metadata: dict[str, str], message: str
) -> None:
    rewrite(checkpoint, metadata=metadata)
    assert message in error_of(checkpoint)


def test_tensors_of_another_configuration(checkpoint: Path) -> None:
    other = tiny_config(**{"model.inpainting.block_expansion": 8, "model.background": None})
    rewrite(checkpoint, metadata={"config": other.model_dump_json()})
    message = error_of(checkpoint)
    assert " unknown (background_predictor.backbone." in message
    assert " of another shape (generator." in message
    assert "is [8], not [16], ...)" in message
    assert "it was edited, or written by another version" in message


def test_a_missing_tensor(checkpoint: Path) -> None:
    def without_last_bias(tensors: dict[str, Any]) -> dict[str, Any]:
        del tensors["generator.to_rgb.bias"]
        return tensors

    rewrite(checkpoint, tensors=without_last_bias)
    assert "1 missing (generator.to_rgb.bias);" in error_of(checkpoint)


def test_tensors_of_a_wrapped_model_are_refused(checkpoint: Path) -> None:
    rewrite(
        checkpoint,
        tensors=lambda tensors: {f"module.{name}": values for name, values in tensors.items()},
    )
    assert "saved from a wrapped model" in error_of(checkpoint)


@pytest.mark.parametrize("length", [b"\x80", b"PK", b"<"])
def test_header_length_may_resemble_another_format(checkpoint: Path, length: bytes) -> None:
    """A file begins with the length of its header, which can be any bytes."""
    data = checkpoint.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    wanted = int.from_bytes(length, "little")
    step = 1 << (8 * len(length))
    size = start - 8 + (wanted - (start - 8)) % step
    padded = data[8:start] + b" " * (size - (start - 8))
    checkpoint.write_bytes(size.to_bytes(8, "little") + padded + data[start:])
    assert checkpoint.read_bytes().startswith(length)
    assert load_checkpoint(checkpoint).record == RECORD


def test_full_disk_keeps_the_older_file(tmp_path: Path, checkpoint: Path) -> None:
    """A limit on the size of files simulates a full disk."""
    before = checkpoint.read_bytes()
    message = r"tiny\.safetensors: no space left to write it"
    with limited_file_size(len(before) // 2), pytest.raises(ResourceError, match=message):
        save_checkpoint(checkpoint, tiny_model(), tiny_config(), record=RECORD)
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]
