"""The extractor ``MODEL.onnx``: identity embeddings by a network in an ONNX file.

An ONNX file is a graph of known operations. Unlike TorchScript and pickles, which are refused, it
cannot execute code of its author.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.files.foreign_formats import ONNX_FILE, describe_format
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.onnx_input import (
    KEYS,
    InputSettings,
    input_settings,
    read_options,
)
from cpabmm_core.metrics.extractors.options import check_options, require_package

_PROTOCOL = 1
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_FATAL_ONLY = 4  # errors are raised, so onnxruntime need not print them too
_MAX_REASON = 200  # characters of an error of onnxruntime


class OnnxIdentity:
    """Describe frames of any size, each on its own.

    Args:
        session: session of onnxruntime with one input.
        output: name of the output that is the embedding.
        settings: conversion of a frame to the input.
        info: description of the extractor.
    """

    def __init__(
        self,
        session: Any,  # noqa: ANN401  (onnxruntime is an extra and has no types)
        output: str,
        settings: InputSettings,
        info: ExtractorInfo,
    ) -> None:
        self.info = info
        self._session = session
        self._output = output
        self._settings = settings
        [image] = session.get_inputs()
        self._input, self._dtype = image.name, _DTYPES[image.type]
        black = np.zeros((settings.height, settings.width, 3), dtype=np.uint8)
        self._width = len(self._embedding(black))

    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, D)
        """Return the embedding of every frame."""
        # One by one: many networks have a fixed batch size of 1, and batching changes last digits.
        rows = [self._embedding(frame) for frame in frames]
        return np.array(rows, dtype=np.float64).reshape(len(frames), self._width)

    def _embedding(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
    ) -> NDArray[np.float64]:  # (D,)
        name = self.info.name
        image = self._settings.prepare(frame).astype(self._dtype)
        try:
            [found] = self._session.run([self._output], {self._input: image})
        except Exception as error:  # onnxruntime has many error classes
            size = self.info.options["size"]
            raise CheckpointError(
                f"{name}: fails on a {size} image ({_reason(error)}); check the options"
            ) from None
        array = np.asarray(found)
        if array.ndim != 2 or len(array) != 1 or array.dtype.kind != "f":
            raise ConfigError(
                f"{name}: output {self._output} is {array.dtype} {array.shape}, expected floats of "
                "shape (1, D); choose another with output=NAME, or export the embedding"
            )
        row: NDArray[np.float64] = array[0].astype(np.float64)
        return row


def open_extractor(request: Request) -> OnnxIdentity:
    """Open the network of the option ``file``; the other options are `KEYS`.

    Raises:
        ConfigError: an option is invalid, onnxruntime is missing, or the network does not map one
            image to one embedding.
        CheckpointError: the file cannot be read or run.
    """
    if not request.options.get("file"):
        raise ConfigError("onnx: not the name of an extractor; give MODEL.onnx, a network's file")
    path = Path(request.options["file"])
    check_options(path.name, request, ("file", *KEYS))
    query = {key: value for key, value in request.options.items() if key != "file"}
    content = _read(path)
    runtime = require_package("onnxruntime", path.name, "onnx")
    session = _session(runtime, path, content, request.device)
    options = read_options(path, query)
    settings = input_settings(path.name, _input_shape(path.name, session), options)
    output = _select_output(path.name, session, options)
    info = ExtractorInfo(
        name=path.name,
        version=f"{_PROTOCOL}, onnxruntime {runtime.__version__}",
        weights=hashlib.sha256(content).hexdigest(),
        cost=f"{len(content) / 1e6:.1f} MB, on {_device_name(session)}",
        options={**settings.as_options(), "output": output},
    )
    return OnnxIdentity(session, output, settings, info)


def _read(path: Path) -> bytes:
    head = require_file(path, error=CheckpointError, expected="the .onnx file of a network")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({one_line(error)})") from None
    if content.startswith((b"PK", b"\x80")):
        raise CheckpointError(
            f"{path}: is a PyTorch or zip file, not ONNX; export the network with torch.onnx.export"
        )
    what, _ = describe_format(head)
    if content[8:9] == b"{" and not what:
        what = "a safetensors file"
    if what and what != ONNX_FILE:
        raise CheckpointError(f"{path}: is {what}, not ONNX; give the .onnx file of a network")
    return content


def _session(runtime: ModuleType, path: Path, content: bytes, device: str) -> Any:  # noqa: ANN401
    options = runtime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    # Weights in other files would escape the hash. A path below a file cannot exist, so external
    # weights are never found, whatever the working directory.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path.absolute() / "none")
    )
    try:
        session = runtime.InferenceSession(
            content,
            options,
            providers=_providers(runtime, device),
            enable_fallback=0,  # it would print to stdout and try again
        )
        for value in (*session.get_inputs(), *session.get_outputs()):
            str(value.name)  # fails here if it is not UTF-8
        return session
    except Exception as error:  # onnxruntime has many error classes
        reason = _reason(error)
        if "external data" in str(error).lower():
            raise CheckpointError(
                f"{path}: has weights in another file; save it as one file: "
                "onnx.save(onnx.load(OLD), NEW)"
            ) from None
        raise CheckpointError(
            f"{path}: onnxruntime {runtime.__version__} cannot load it ({reason}); export it again"
        ) from None


def _providers(runtime: ModuleType, device: str) -> Sequence[object]:
    """Return the GPU if requested and usable, then the CPU for operations the GPU lacks."""
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cuda") or cuda not in runtime.get_available_providers():
        return [cpu]
    return [(cuda, {"device_id": int(index) if index.isdigit() else 0}), cpu]


def _device_name(session: Any) -> str:  # noqa: ANN401
    return "a GPU" if session.get_providers()[0].startswith("CUDA") else "the CPU"


def _input_shape(name: str, session: Any) -> Sequence[object]:  # noqa: ANN401
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _DTYPES:
        actual = ", ".join(f"{one.name} {one.type}" for one in inputs) or "none"
        raise ConfigError(
            f"{name}: its inputs are {actual}; export it with one image of floats as input"
        )
    shape: Sequence[object] = inputs[0].shape
    return shape


def _select_output(name: str, session: Any, options: dict[str, str]) -> str:  # noqa: ANN401
    names = [output.name for output in session.get_outputs()]
    output = options.get("output", names[0] if len(names) == 1 else None)
    if output is None or output not in names:
        trouble = "has several outputs" if output is None else f"has no output {output}"
        raise ConfigError(f"{name}: {trouble}; give output=NAME, one of {', '.join(names)}")
    return output


def _reason(error: BaseException) -> str:
    return one_line(error).removeprefix("[ONNXRuntimeError] : ")[:_MAX_REASON]
