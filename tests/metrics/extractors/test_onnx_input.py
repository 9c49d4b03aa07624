import json
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.onnx_graphs import error_of, frames, open_network, write_graph
from PIL import Image
from skimage.transform import resize as skimage_resize


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("white", [1, 255])
def test_the_options_define_the_input(tmp_path: Path, layout: str, colour: str, white: int) -> None:
    shape = ("N", 3, 5, 7) if layout == "nchw" else ("N", 5, 7, 3)
    extractor = open_network(
        write_graph(tmp_path / "same.onnx", shape),
        f"colour={colour}&range={white}&mean=0.1,0.2,0.3&std=2,4,8",
    )
    images = frames(2, 5, 7)
    for image, found in zip(images, extractor.embeddings(images), strict=True):
        expected = np.empty((3, 5, 7))
        for channel, (mean, std) in enumerate([(0.1, 2), (0.2, 4), (0.3, 8)]):
            plane = image[..., channel if colour == "rgb" else 2 - channel]
            expected[channel] = (plane / 255 * white - mean) / std
        if layout == "nhwc":
            expected = expected.transpose(1, 2, 0)
        np.testing.assert_array_equal(found, expected.astype(np.float32).ravel())


def test_resizing_agrees_with_pillow(tmp_path: Path) -> None:
    """The field's re-identification network uses bicubic."""
    path = write_graph(tmp_path / "any.onnx", ("N", 3, "H", "W"))
    [image] = frames(1, 20, 30)
    for name, method in (
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
    ):
        found = open_network(path, f"size=9x12&resize={name}&range=255").embeddings(image[None])
        expected = np.asarray(Image.fromarray(image).resize((9, 12), method)).transpose(2, 0, 1)
        np.testing.assert_array_equal(found[0], expected.ravel())


@pytest.mark.parametrize("size", [(40, 64), (9, 7), (20, 45), (1, 1)])
def test_sampled_agrees_with_bilinear_without_antialiasing(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = write_graph(tmp_path / "any.onnx", ("N", 3, None, None))
    height, width = size
    [image] = frames(1, 20, 30)
    extractor = open_network(path, f"size={width}x{height}&resize=sampled&range=255")
    found = extractor.embeddings(image[None]).reshape(3, height, width)
    by_skimage = skimage_resize(
        image.astype(np.float64), size, order=1, anti_aliasing=False, mode="edge"
    )
    np.testing.assert_allclose(found.transpose(1, 2, 0), by_skimage, atol=1e-4)
    pixels = torch.tensor(image).double().permute(2, 0, 1)[None]
    by_torch = torch.nn.functional.interpolate(pixels, size, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(found, by_torch[0].numpy(), atol=1e-4)


def test_options_in_the_name_override_the_side_file(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "net.onnx", ("N", 3, "H", "W"))
    side = tmp_path / "net.json"
    side.write_text(json.dumps({"size": 6, "mean": [0.5, 0.25, 0.5], "colour": "bgr"}))
    options = open_network(path).info.options
    assert (options["size"], options["mean"], options["colour"]) == ("6x6", "0.5,0.25,0.5", "bgr")
    options = open_network(path, "size=4x8&mean=0.1").info.options
    assert (options["size"], options["mean"], options["colour"]) == ("4x8", "0.1,0.1,0.1", "bgr")
    for content, trouble in (
        ("{", "not valid JSON"),
        ('{"size": 4, "size": 8}', "not valid JSON (gives the key 'size' twice)"),
        ("[1]", "not a JSON object"),
        ('{"scale": 2}', "unknown option scale; it takes size, mean, std, layout"),
        ('{"mean": {"r": 1}}', "mean: expected a string, a number, or a list of numbers"),
    ):
        side.write_text(content)
        assert error_of(path).startswith(f"{side}: {trouble}")


@pytest.mark.parametrize(
    ("query", "trouble"),
    [
        ("", "its input has no fixed size; give one: net.onnx?size=112 or size=WxH"),
        ("size=0", "size=0: expected a side or WxH in pixels"),
        ("size=4x4x4", "size=4x4x4: expected a side or WxH"),
        ("size=99999", "size=99999: expected a side or WxH"),
        ("size=4.5", "size=4.5: expected a side"),
        ("size=4&mean=1,2", "mean=1,2: expected one number, or three with commas"),
        ("size=4&mean=red", "mean=red: expected one number"),
        ("size=4&mean=nan", "mean=nan: expected one number"),
        ("size=4&std=1,0,1", "std=1,0,1: expected positive numbers"),
        ("size=4&layout=chw", "layout=chw: expected nchw"),
        ("size=4&layout=nhwc", "layout=nhwc: expected nchw"),
        ("size=4&colour=grey", "colour=grey: expected rgb or bgr"),
        ("size=4&range=128", "range=128: expected 1 or 255"),
        ("size=4&resize=nearest", "resize=nearest: expected bilinear or bicubic or sampled"),
        ("size=4&color=bgr", "unknown option color; it takes file, size, mean"),
        ("size", "expected options as NAME?KEY=VALUE"),
    ],
)
def test_wrong_options_are_errors(tmp_path: Path, query: str, trouble: str) -> None:
    message = error_of(write_graph(tmp_path / "net.onnx", (1, 3, None, None)), query)
    assert f"net.onnx: {trouble}" in message or f"net.onnx?{query}: {trouble}" in message
