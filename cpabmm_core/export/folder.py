"""Export of a model to a folder of ONNX graphs that another program can run without PyTorch."""

import copy
import json
from pathlib import Path
from typing import Any

from cpabmm_core.export.candidates import SPACES_FILE, space_tensors
from cpabmm_core.export.graphs import model_graphs
from cpabmm_core.export.manifest import FORMAT, WrittenGraph, make_manifest
from cpabmm_core.export.onnx_file import write_graph
from cpabmm_core.export.origin import describe_origin
from cpabmm_core.export.packages import require_packages
from cpabmm_core.export.parity import example_tensors, largest_difference
from cpabmm_core.files.output import atomic_folder, write_atomically
from cpabmm_core.files.tensors import write_safetensors
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.progress import Progress

MANIFEST_FILE = "manifest.json"
_BATCHES = ((1, 2), (2, 2))
"""Sources and poses of the checks: one source for all poses, and one for each."""


def export_onnx(
    model: AnimationModel,
    folder: str | Path,
    *,
    checkpoint: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a model as ONNX graphs with a manifest, after a comparison with PyTorch.

    The graphs are ``keypoints``, ``encode`` and ``render``, and ``background`` and ``avd`` if the
    model has these networks. The candidate motions are an input of ``render``: the program that
    runs the graphs computes them from the keypoints, with the settings in the manifest
    (docs/export.md). Graphs compute in float32, for frames of the model's size and any batch size.

    Each graph is run in ONNX Runtime on two random pictures. No value may differ by more than 1e-3.
    The folder appears complete or not at all.

    Args:
        model: the model, on any device; it is left unchanged.
        folder: the folder to write; its parent exists.
        checkpoint: bundled model or file that the model was loaded from. The manifest states its
            digest and licence.
        force: write into a folder that is not empty; files of the same names are replaced.
        progress: called with the number of finished graphs and their total.

    Returns:
        The manifest, as it is in ``manifest.json``.

    Raises:
        ConfigError: a package of the extra ``onnx`` is missing.
        CheckpointError: a network has no translation to ONNX, or gives other values there.
        MediaError: the folder cannot be written.
        OutputExistsError: the folder is not empty and `force` is False.
        ResourceError: the disk is full.

    Example:
        >>> from cpabmm_core import load_model
        >>> model = load_model("puppets", device="cpu")
        >>> manifest = export_onnx(model, "exported", checkpoint="puppets")  # doctest: +SKIP
        >>> list(manifest["graphs"])  # doctest: +SKIP
        ['keypoints', 'encode', 'render', 'background']
    """
    require_packages()
    folder = Path(folder)
    with atomic_folder(folder, force=force) as temporary:
        model = copy.deepcopy(model).cpu().float().eval()
        origin = describe_origin(checkpoint)
        graphs = _write_graphs(model, temporary, progress)
        tensors = space_tensors(model)
        if tensors:
            write_safetensors(temporary / SPACES_FILE, tensors, {"format": FORMAT})
        manifest = make_manifest(model, graphs, origin)
        text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
        write_atomically(temporary / MANIFEST_FILE, text.encode())
    return manifest


def _write_graphs(
    model: AnimationModel, folder: Path, progress: Progress | None
) -> list[WrittenGraph]:
    examples = [example_tensors(model, *batch) for batch in _BATCHES]
    graphs = model_graphs(model)
    written = []
    for graph in graphs:
        path = folder / f"{graph.name}.onnx"
        files = write_graph(graph, path)
        written.append(WrittenGraph(graph, files, largest_difference(graph, path, examples)))
        if progress is not None:
            progress(len(written), len(graphs))
    return written
