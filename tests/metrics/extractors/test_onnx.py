import hashlib
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.onnx_graphs import CPU, MEAN, Shape, error_of, frames, open_network, write_graph

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics.extractors import (
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
    open_subject_detector,
)


def test_an_embedding_of_closed_form(tmp_path: Path) -> None:
    """The mean colour of uniform frames is the normalised colour."""
    path = write_graph(tmp_path / "mean.onnx", ("N", 3, 8, 8), MEAN)
    extractor = open_network(path, "mean=0.5,0.25,0&std=0.5,2,1")
    colours = np.array([[255, 51, 0], [0, 255, 102]], dtype=np.uint8)
    uniform = np.broadcast_to(colours[:, None, None], (2, 30, 20, 3))
    expected = [[1.0, (0.2 - 0.25) / 2, 0.0], [-1.0, (1 - 0.25) / 2, 0.4]]
    found = extractor.embeddings(uniform)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert extractor.embeddings(uniform[:0]).shape == (0, 3)


def test_defaults_come_from_the_input_of_the_network(tmp_path: Path) -> None:
    extractor = open_network(write_graph(tmp_path / "Net.ONNX", (1, 6, 4, 3)))
    content = (tmp_path / "Net.ONNX").read_bytes()
    import onnxruntime

    assert extractor.info.as_dict() == {
        "name": "Net.ONNX",
        "version": f"1, onnxruntime {onnxruntime.__version__}",
        "weights": hashlib.sha256(content).hexdigest(),
        "options": {
            "size": "4x6",
            "mean": "0.0,0.0,0.0",
            "std": "1.0,1.0,1.0",
            "layout": "nhwc",
            "colour": "rgb",
            "range": "1",
            "resize": "bilinear",
            "output": "embedding",
        },
    }
    images = frames(3, 6, 4)
    expected = (images / 255).astype(np.float32).reshape(3, -1)
    np.testing.assert_array_equal(extractor.embeddings(images), expected)


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE"])
def test_the_input_has_the_precision_of_the_network(tmp_path: Path, kind: str) -> None:
    extractor = open_network(write_graph(tmp_path / "net.onnx", (1, 3, 4, 4), kind=kind))
    images = frames(1, 4, 4)
    exact = (images / 255).transpose(0, 3, 1, 2).reshape(1, -1)
    expected = exact if kind == "DOUBLE" else exact.astype(np.float16)
    np.testing.assert_array_equal(extractor.embeddings(images), expected)


def test_one_of_several_outputs_is_selected_by_name(tmp_path: Path) -> None:
    nodes: list[tuple[str, dict[str, Any]]] = [("Flatten", {"axis": 1}), *MEAN]
    path = write_graph(tmp_path / "two.onnx", (1, 3, 4, 4), nodes, outputs=("same_", "mean_"))
    assert error_of(path) == "two.onnx: has several outputs; give output=NAME, one of same_, mean_"
    assert "has no output logits" in error_of(path, "output=logits")
    assert open_network(path, "output=mean_").embeddings(frames(1, 4, 4)).shape == (1, 3)
    assert open_network(path, "output=same_").embeddings(frames(1, 4, 4)).shape == (1, 48)


@pytest.mark.parametrize(
    ("shape", "nodes", "query", "trouble"),
    [
        ((1, 3, 8, 8), MEAN, "size=4", "size=4: the network takes 8x8; correct size"),
        ((1, 3, None, 8), MEAN, "size=4", "size=4: the network takes 8xany; correct size"),
        ((4, 3, 8, 8), MEAN, "", "its input is 4x3x8x8, not one image"),
        ((3, 8, 8), [("Flatten", {})], "", "its input is 3x8x8, not one image"),
        ((1, 1, 8, 8), MEAN, "", "its input is 1x1x8x8, not an RGB image"),
        (
            (1, 3, 8, 8),
            [("ReduceMean", {"axes": [2, 3], "keepdims": 1})],
            "",
            "output embedding is float32 (1, 3, 1, 1), expected floats of shape (1, D)",
        ),
        ((1, 3, 8, 8), [("Flatten", {"axis": 2})], "", "output embedding is float32 (3, 64)"),
    ],
)
def test_networks_that_do_not_fit_are_errors(
    tmp_path: Path, shape: Shape, nodes: Sequence[Any], query: str, trouble: str
) -> None:
    path = write_graph(tmp_path / "net.onnx", shape, nodes)
    assert error_of(path, query).startswith(f"net.onnx: {trouble}")


def test_integer_inputs_and_failing_networks_are_errors(tmp_path: Path) -> None:
    integers = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8), kind="INT32")
    assert "net.onnx: its inputs are image tensor(int32); export it with one image" in error_of(
        integers
    )
    thirds = [("SpaceToDepth", {"blocksize": 3})]
    path = write_graph(tmp_path / "net.onnx", (1, 3, "H", "W"), thirds)
    message = error_of(path, "size=4", CheckpointError)
    assert message.startswith("net.onnx: fails on a 4x4 image (")
    assert message.endswith("); check the options")


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (pickle.dumps({"a": 1}), "is a PyTorch or zip file, not ONNX; export the network"),
        (b"\1\2\3 not a network", "onnxruntime "),
        (b"not a network", "is a text file, not ONNX; give the .onnx file of a network"),
        (b"GGUF\3\0\0\0", "is a GGUF file, as llama.cpp reads, not ONNX"),
        (b"\x40\0\0\0\0\0\0\0{}", "is a safetensors file, not ONNX"),
    ],
)
def test_other_files_are_errors(tmp_path: Path, content: bytes, trouble: str) -> None:
    if trouble.startswith("onnxruntime"):
        pytest.importorskip("onnxruntime")
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    assert error_of(path, kind=CheckpointError).startswith(f"{path}: {trouble}")


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "half.onnx", (1, 3, 8, 8))
    path.write_bytes(path.read_bytes()[:-20])
    assert "; export it again" in error_of(path, kind=CheckpointError)


def test_a_name_that_is_not_text_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"embedding", b"embe\x9c\x9bing"))
    assert path.read_bytes() != content
    assert "; export it again" in error_of(path, kind=CheckpointError)
    assert capfd.readouterr() == ("", "")


def test_missing_files_and_folders_are_errors(tmp_path: Path) -> None:
    missing = tmp_path / "none.onnx"
    assert error_of(missing, kind=CheckpointError).startswith(f"{missing}: no such file")
    missing.mkdir()
    assert error_of(missing, kind=CheckpointError).startswith(f"{missing}: is a folder")


def test_weights_in_another_file_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash in results would not cover them, even next to the network."""
    path = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8), external=True)
    assert (tmp_path / "w.bin").is_file()
    monkeypatch.chdir(tmp_path)
    for name in (path, Path("net.onnx")):
        message = error_of(name, kind=CheckpointError)
        assert message.startswith(f"{name}: has weights in another file; save it as one file")


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "NET.PKL", "a/net.jit", "net.torchscript"])
def test_files_of_code_are_rejected(name: str) -> None:
    for open_it in (open_embedding_extractor, open_keypoint_extractor, open_subject_detector):
        with pytest.raises(ConfigError) as caught:
            open_it(f"{name}?size=96")
        assert str(caught.value) == (
            f"{name}: TorchScript files and pickles execute code when loaded and are refused; "
            "export the network with torch.onnx.export and give MODEL.onnx"
        )


def test_a_missing_onnxruntime_is_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x08")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = error_of(path)
    assert message.startswith("net.onnx: onnxruntime cannot be imported (")
    assert message.endswith("install it with: pip install 'cpabmm[onnx]'")


@pytest.mark.parametrize(
    ("device", "gpu"),
    [("auto", 0), ("cuda", 0), ("cuda:1", 1), ("cpu", None), ("mps", None)],
)
def test_a_gpu_is_used_if_requested_and_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, gpu: int | None
) -> None:
    path = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8))
    import onnxruntime

    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    session, calls = onnxruntime.InferenceSession, []

    def create_on_cpu(
        content: bytes, options: object, providers: list[object], enable_fallback: int
    ) -> object:
        assert not enable_fallback
        calls.append(providers)
        return session(content, options, providers=[cpu])

    monkeypatch.setattr(onnxruntime, "InferenceSession", create_on_cpu)
    open_embedding_extractor(str(path), Request(device=device))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda, cpu])
    open_embedding_extractor(str(path), Request(device=device))
    without_gpu, with_gpu = calls
    assert without_gpu == [cpu]
    assert with_gpu == ([cpu] if gpu is None else [(cuda, {"device_id": gpu}), cpu])


def test_the_bare_name_is_an_error() -> None:
    with pytest.raises(ConfigError, match="onnx: not the name of an extractor; give MODEL"):
        open_embedding_extractor("onnx")


def test_networks_have_no_keypoints(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8))
    with pytest.raises(ConfigError, match=r"net\.onnx: is not an extractor of keypoints"):
        open_keypoint_extractor(str(path), CPU)
