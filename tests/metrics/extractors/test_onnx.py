import hashlib
import json
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import resize as skimage_resize

from cpabmm_core.errors import CheckpointError, ConfigError, CpabmmError
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
    open_subject_detector,
)

CPU = Request(device="cpu")
Shape = Sequence[int | str | None]


def write_graph(
    path: Path,
    shape: Shape,
    nodes: Sequence[tuple[str, dict[str, Any]]] = (("Flatten", {"axis": 1}),),
    *,
    kind: str = "FLOAT",
    outputs: Sequence[str] = ("embedding",),
    external: bool = False,
) -> Path:
    """A network: each operation is applied to the picture and is one output, in this order.

    By default the embedding is the input itself, so that all that was done to a frame can be seen.
    """
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    number = getattr(onnx.TensorProto, kind)
    weight = onnx.numpy_helper.from_array(np.ones(1, helper.tensor_dtype_to_np_dtype(number)), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["picture", "w"], ["same"]),
            *(
                helper.make_node(operation, ["same"], [output], **attributes)
                for (operation, attributes), output in zip(nodes, outputs, strict=True)
            ),
        ],
        "network",
        [helper.make_tensor_value_info("picture", number, shape)],
        [helper.make_tensor_value_info(output, number, None) for output in outputs],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path, save_as_external_data=external, location="w.bin", size_threshold=0)
    return path


def frames(count: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def opened(path: Path, query: str = "") -> EmbeddingExtractor:
    return open_embedding_extractor(f"{path}?{query}" if query else str(path), CPU)


def error_of(path: Path, query: str = "", kind: type[CpabmmError] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        opened(path, query)
    message = str(caught.value)
    assert "\n" not in message
    return message


MEAN: list[tuple[str, dict[str, Any]]] = [("ReduceMean", {"axes": [2, 3], "keepdims": 0})]


def test_an_embedding_of_closed_form(tmp_path: Path) -> None:
    """The mean of each colour, of even frames, is the normalised colour."""
    path = write_graph(tmp_path / "mean.onnx", ("N", 3, 8, 8), MEAN)
    extractor = opened(path, "mean=0.5,0.25,0&std=0.5,2,1")
    colours = np.array([[255, 51, 0], [0, 255, 102]], dtype=np.uint8)
    even = np.broadcast_to(colours[:, None, None], (2, 30, 20, 3))
    expected = [[1.0, (0.2 - 0.25) / 2, 0.0], [-1.0, (1 - 0.25) / 2, 0.4]]
    found = extractor.embeddings(even)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert extractor.embeddings(even[:0]).shape == (0, 3)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("white", [1, 255])
def test_the_input_is_what_the_options_say(
    tmp_path: Path, layout: str, colour: str, white: int
) -> None:
    shape = ("N", 3, 5, 7) if layout == "nchw" else ("N", 5, 7, 3)
    extractor = opened(
        write_graph(tmp_path / "same.onnx", shape),
        f"colour={colour}&range={white}&mean=0.1,0.2,0.3&std=2,4,8",
    )
    images = frames(2, 5, 7)
    for image, found in zip(images, extractor.embeddings(images), strict=True):
        expected = np.empty((3, 5, 7))
        for channel, (mean, std) in enumerate([(0.1, 2), (0.2, 4), (0.3, 8)]):
            of_frame = image[..., channel if colour == "rgb" else 2 - channel]
            expected[channel] = (of_frame / 255 * white - mean) / std
        if layout == "nhwc":
            expected = expected.transpose(1, 2, 0)
        np.testing.assert_array_equal(found, expected.astype(np.float32).ravel())


def test_pillow_resizes(tmp_path: Path) -> None:
    """As the field's re-identification does it: 144 wide, 288 high, bicubic."""
    path = write_graph(tmp_path / "any.onnx", ("N", 3, "H", "W"))
    [image] = frames(1, 20, 30)
    for name, method in (
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
    ):
        found = opened(path, f"size=9x12&resize={name}&range=255").embeddings(image[None])
        expected = np.asarray(Image.fromarray(image).resize((9, 12), method)).transpose(2, 0, 1)
        np.testing.assert_array_equal(found[0], expected.ravel())


@pytest.mark.parametrize("size", [(40, 64), (9, 7), (20, 45), (1, 1)])
def test_sampled_is_bilinear_without_antialiasing(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_graph(tmp_path / "any.onnx", ("N", 3, None, None))
    height, width = size
    [image] = frames(1, 20, 30)
    extractor = opened(path, f"size={width}x{height}&resize=sampled&range=255")
    found = extractor.embeddings(image[None]).reshape(3, height, width)
    by_skimage = skimage_resize(
        image.astype(np.float64), size, order=1, anti_aliasing=False, mode="edge"
    )
    np.testing.assert_allclose(found.transpose(1, 2, 0), by_skimage, atol=1e-4)
    pixels = torch.tensor(image).double().permute(2, 0, 1)[None]
    by_torch = torch.nn.functional.interpolate(pixels, size, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(found, by_torch[0].numpy(), atol=1e-4)


def test_defaults_come_from_the_networks_own_input(tmp_path: Path) -> None:
    extractor = opened(write_graph(tmp_path / "Net.ONNX", (1, 6, 4, 3)))
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


def test_a_side_file_holds_options_and_the_name_comes_first(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "net.onnx", ("N", 3, "H", "W"))
    side = tmp_path / "net.json"
    side.write_text(json.dumps({"size": 6, "mean": [0.5, 0.25, 0.5], "colour": "bgr"}))
    options = opened(path).info.options
    assert (options["size"], options["mean"], options["colour"]) == ("6x6", "0.5,0.25,0.5", "bgr")
    options = opened(path, "size=4x8&mean=0.1").info.options
    assert (options["size"], options["mean"], options["colour"]) == ("4x8", "0.1,0.1,0.1", "bgr")
    for content, trouble in (
        ("{", "not valid JSON"),
        ("[1]", "holds no object"),
        ('{"scale": 2}', "unknown option scale; it takes size, mean, std, layout"),
        ('{"mean": {"r": 1}}', "mean: give a text, a number, or a list of numbers"),
    ):
        side.write_text(content)
        assert error_of(path).startswith(f"{side}: {trouble}")


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE"])
def test_other_precisions_are_fed_as_they_are(tmp_path: Path, kind: str) -> None:
    extractor = opened(write_graph(tmp_path / "net.onnx", (1, 3, 4, 4), kind=kind))
    images = frames(1, 4, 4)
    exact = (images / 255).transpose(0, 3, 1, 2).reshape(1, -1)
    expected = exact if kind == "DOUBLE" else exact.astype(np.float16)
    np.testing.assert_array_equal(extractor.embeddings(images), expected)


def test_one_of_several_outputs_is_named(tmp_path: Path) -> None:
    nodes: list[tuple[str, dict[str, Any]]] = [("Flatten", {"axis": 1}), *MEAN]
    path = write_graph(tmp_path / "two.onnx", (1, 3, 4, 4), nodes, outputs=("same_", "mean_"))
    assert error_of(path) == "two.onnx: has several outputs; give output=NAME, one of same_, mean_"
    assert "has no output logits" in error_of(path, "output=logits")
    assert opened(path, "output=mean_").embeddings(frames(1, 4, 4)).shape == (1, 3)
    assert opened(path, "output=same_").embeddings(frames(1, 4, 4)).shape == (1, 48)


@pytest.mark.parametrize(
    ("query", "trouble"),
    [
        ("", r"takes pictures of any size; say which: net.onnx?size=112 or size=WxH"),
        ("size=0", "size=0: give a side or WxH in pixels"),
        ("size=4x4x4", "size=4x4x4: give a side or WxH"),
        ("size=99999", "size=99999: give a side or WxH"),
        ("size=4.5", "size=4.5: give a side"),
        ("size=4&mean=1,2", "mean=1,2: give one number, or three with commas"),
        ("size=4&mean=red", "mean=red: give one number"),
        ("size=4&mean=nan", "mean=nan: give one number"),
        ("size=4&std=1,0,1", "std=1,0,1: give numbers above 0"),
        ("size=4&layout=chw", "layout=chw: give nchw"),
        ("size=4&layout=nhwc", "layout=nhwc: give nchw"),
        ("size=4&colour=grey", "colour=grey: give rgb or bgr"),
        ("size=4&range=128", "range=128: give 1 or 255"),
        ("size=4&resize=nearest", "resize=nearest: give bilinear or bicubic or sampled"),
        ("size=4&color=bgr", "unknown option color; it takes file, size, mean"),
        ("size", "expected options as NAME?KEY=VALUE"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, query: str, trouble: str) -> None:
    message = error_of(write_graph(tmp_path / "net.onnx", (1, 3, None, None)), query)
    assert f"net.onnx: {trouble}" in message or f"net.onnx?{query}: {trouble}" in message


@pytest.mark.parametrize(
    ("shape", "nodes", "query", "trouble"),
    [
        ((1, 3, 8, 8), MEAN, "size=4", "size=4: it takes 8x8; correct size"),
        ((1, 3, None, 8), MEAN, "size=4", "size=4: it takes 8xany; correct size"),
        ((4, 3, 8, 8), MEAN, "", "its input is 4x3x8x8, not one picture"),
        ((3, 8, 8), [("Flatten", {})], "", "its input is 3x8x8, not one picture"),
        ((1, 1, 8, 8), MEAN, "", "its input is 1x1x8x8, not a picture of three colours"),
        (
            (1, 3, 8, 8),
            [("ReduceMean", {"axes": [2, 3], "keepdims": 1})],
            "",
            "output embedding is float32 (1, 3, 1, 1), not one row of numbers a picture",
        ),
        ((1, 3, 8, 8), [("Flatten", {"axis": 2})], "", "output embedding is float32 (3, 64)"),
    ],
)
def test_networks_of_another_kind_are_named(
    tmp_path: Path, shape: Shape, nodes: Sequence[Any], query: str, trouble: str
) -> None:
    path = write_graph(tmp_path / "net.onnx", shape, nodes)
    assert error_of(path, query).startswith(f"net.onnx: {trouble}")


def test_what_takes_no_floats_or_cannot_be_run_is_named(tmp_path: Path) -> None:
    integers = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8), kind="INT32")
    assert "net.onnx: takes picture tensor(int32), not one picture of floats" in error_of(integers)
    thirds = [("SpaceToDepth", {"blocksize": 3})]
    path = write_graph(tmp_path / "net.onnx", (1, 3, "H", "W"), thirds)
    message = error_of(path, "size=4", CheckpointError)
    assert message.startswith("net.onnx: cannot be run on a 4x4 picture (")
    assert message.endswith("); check the options")


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (pickle.dumps({"a": 1}), "is a PyTorch or zip file, not ONNX; export the network"),
        (b"hello, this is no network", "onnxruntime "),
    ],
)
def test_files_that_are_no_networks_are_named(tmp_path: Path, content: bytes, trouble: str) -> None:
    if trouble.startswith("onnxruntime"):
        pytest.importorskip("onnxruntime")
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    assert error_of(path, kind=CheckpointError).startswith(f"{path}: {trouble}")


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "half.onnx", (1, 3, 8, 8))
    path.write_bytes(path.read_bytes()[:-20])
    assert "get or export it again" in error_of(path, kind=CheckpointError)


def test_paths_that_are_no_files_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.onnx"
    assert error_of(missing, kind=CheckpointError).startswith(f"{missing}: no such file")
    missing.mkdir()
    assert error_of(missing, kind=CheckpointError).startswith(f"{missing}: is a folder")


def test_weights_in_another_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their hash would not be in the report; not even where they lie beside the network."""
    path = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8), external=True)
    assert (tmp_path / "w.bin").is_file()
    monkeypatch.chdir(tmp_path)
    for name in (path, Path("net.onnx")):
        message = error_of(name, kind=CheckpointError)
        assert message.startswith(f"{name}: keeps weights in another file; save it as one file")


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "NET.PKL", "a/net.jit", "net.torchscript"])
def test_files_of_code_are_refused_with_the_reason(name: str) -> None:
    for open_it in (open_embedding_extractor, open_keypoint_extractor, open_subject_detector):
        with pytest.raises(ConfigError) as caught:
            open_it(f"{name}?size=96")
        assert str(caught.value) == (
            f"{name}: TorchScript files and pickles execute code when they are loaded, so none is "
            "taken; export the network with torch.onnx.export and give MODEL.onnx"
        )


def test_without_onnxruntime_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x08")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = error_of(path)
    assert message.startswith("net.onnx: onnxruntime cannot be imported (")
    assert message.endswith("install it with: pip install 'cpabmm[onnx]'")


def test_the_bare_name_asks_for_a_file() -> None:
    with pytest.raises(ConfigError, match="onnx: is no name of its own; give the network's file"):
        open_embedding_extractor("onnx")


def test_it_finds_no_keypoints(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "net.onnx", (1, 3, 8, 8))
    with pytest.raises(ConfigError, match=r"net\.onnx: finds no keypoints"):
        open_keypoint_extractor(str(path), CPU)
