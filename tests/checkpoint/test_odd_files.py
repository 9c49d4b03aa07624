"""Every odd file of weights gets one line that says what it is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from _helpers.command_line import assert_fails, document_of
from _helpers.memory import at_most
from _helpers.odd_files import weights as odd
from _helpers.tiny_model import tiny_config, tiny_model
from safetensors.torch import save_file

from cpabmm_core.checkpoint import convert_checkpoint, open_checkpoint
from cpabmm_core.config import load_config
from cpabmm_core.errors import CheckpointError, Remedy
from cpabmm_core.files.tensors import read_tensor_file

Maker = Callable[[Path], None]
NAMES = ("a.safetensors", "a.pth", "a")

REFUSED: list[tuple[Maker, str]] = [
    (odd.make_zip_of_one_file, "is a zip archive of model/vox.pth.tar.*unpack it and give that"),
    (odd.make_snapshot_zip, "is a zip archive of snapshot/unet/a.safetensors, .*unpack it"),
    (odd.make_torchscript, "is TorchScript"),
    (odd.make_whole_model, "would call torch.nn.modules.*; .*: .* save its state_dict"),
    (odd.make_plain_pickle, "is a Python pickle, but not one that torch.save wrote"),
    (odd.make_numpy_archive, "is a NumPy archive of arrays"),
    (odd.make_tar, "is a tar archive.*; unpack it"),
    (odd.make_gzip, "is a gzip file.*; unpack it"),
    (odd.make_json_error_page, r'is a JSON document \({"message": "Not Found"'),
    (odd.make_xml_error_page, "is an XML document.*; download the file itself"),
    (odd.make_sharded_index, "is the index of a checkpoint in several files.*; join them"),
    (odd.make_hdf5, "is an HDF5 file"),
    (odd.make_gguf, "is a GGUF file"),
    (odd.make_onnx, "is an ONNX file"),
    (odd.make_huge_header_length, r"truncated or damaged \(.*header too large"),
    (odd.make_deep_header, r"truncated or damaged \(.*recursion limit"),
    (odd.make_huge_shape, r"truncated or damaged \(.*overflow"),
    (odd.make_zip_bomb, r"has \d+ bytes and would expand to 3\d{8}"),
    (odd.make_calling_pickle, "would call io.open, which no file of weights needs"),
    (odd.make_lost_metadata, "the tensors of a cpabmm model without its configuration"),
    (odd.make_checkpoint_with_nan, r"generator\..* is not finite .*diverged"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_one_line_says_what_the_file_is(
    make: Maker, words: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    with at_most(20_000_000), pytest.raises(CheckpointError, match=words) as caught:
        open_checkpoint(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not Path("executed").exists()


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"a\xff.pth"), "a.SafeTensors", "a.zip"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (odd.make_published_file, "fomm"),
        (odd.make_file_of_an_old_pytorch, "fomm"),
        (odd.make_own_checkpoint, "cpabmm"),
    ],
)
def test_a_checkpoint_under_any_name_loads(
    make: Maker, kind: str, name: str, tmp_path: Path
) -> None:
    if not name.isascii() and os.name == "nt":
        pytest.skip("Windows refuses such names")
    make(tmp_path / "made")
    path = (tmp_path / "made").rename(tmp_path / name)
    assert open_checkpoint(path).kind == kind


def test_lost_metadata_are_replaced_by_the_configuration(tmp_path: Path) -> None:
    path, settings = tmp_path / "a.safetensors", tmp_path / "config.yaml"
    odd.make_lost_metadata(path)
    odd.make_configuration(settings)
    with pytest.raises(CheckpointError) as caught:
        convert_checkpoint(path)
    assert caught.value.remedy is Remedy.GIVE_CONFIG
    conversion = convert_checkpoint(path, config=load_config(settings))
    assert (conversion.config, conversion.size_is_known) == (tiny_config(), True)
    found = conversion.checkpoint().model.state_dict()
    expected = tiny_model().state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    with pytest.raises(CheckpointError, match="its networks differ"):
        convert_checkpoint(path, config=load_config("vox-256"))


def test_a_configuration_that_is_not_needed_is_refused(tmp_path: Path) -> None:
    odd.make_own_checkpoint(tmp_path / "a")
    odd.make_published_file(tmp_path / "b")
    for name, words in (("a", "states its configuration itself"), ("b", "is not a model of cpabm")):
        with pytest.raises(CheckpointError, match=words):
            convert_checkpoint(tmp_path / name, config=tiny_config())


def test_the_command_line_names_the_option_and_takes_it(tmp_path: Path) -> None:
    path, settings, out = (tmp_path / name for name in ("a.ckpt", "config.yaml", "b.safetensors"))
    odd.make_ema_part(path)
    odd.make_configuration(settings)
    assert_fails(4, "convert", path, "-o", out, words="cpabmm convert --config NAME|PATH")
    document = document_of("convert", path, "-o", out, "--config", settings)
    assert (document["frame_size"], document["frame_size_known"]) == (32, True)
    assert open_checkpoint(out).config == tiny_config()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_load(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in odd.own_tensors().items()
    }
    save_file(tensors, tmp_path / "a")
    found = convert_checkpoint(tmp_path / "a", config=tiny_config()).tensors
    for name, tensor in tiny_model().state_dict().items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor, rtol=0.01, atol=1e-3)


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    tensors = {name: (100 * tensor).to(torch.int8) for name, tensor in odd.own_tensors().items()}
    save_file(tensors, tmp_path / "a")
    with pytest.raises(CheckpointError, match="as int8, so another tool has quantised its weights"):
        convert_checkpoint(tmp_path / "a", config=tiny_config())


def test_compressed_tensors_are_read_as_they_were(tmp_path: Path) -> None:
    """Mapped into memory, they would be the compressed bytes."""
    odd.make_deflated_torch_file(tmp_path / "a.pth")
    assert torch.equal(read_tensor_file(tmp_path / "a.pth")["weight"], torch.arange(1000.0))


def test_a_folder_says_which_files_of_weights_it_holds(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"is a folder that holds model\.safetensors; give"):
        open_checkpoint(tmp_path)
