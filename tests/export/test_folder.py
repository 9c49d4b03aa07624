"""The exported folder: its graphs against PyTorch, its manifest, and the example that uses it."""

import copy
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.exported import example_program, manifest_of, needs_exporter, run_file
from _helpers.published_model import write_narrow_model
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from typer.testing import CliRunner

from cpabmm_core import Animator, load_model
from cpabmm_core.arrays import Frame
from cpabmm_core.checkpoint.convert import convert_checkpoint
from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError, OutputExistsError
from cpabmm_core.export import export_onnx, folder
from cpabmm_core.export.origin import describe_origin
from cpabmm_core.export.parity import candidate_flows
from cpabmm_core.media.framing import square_frame
from cpabmm_core.media.image import read_image
from cpabmm_core.media.video import VideoReader
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.background import BackgroundPredictor

needs_exporter()
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
_AVD = {"id_bottle_size": 8, "pose_bottle_size": 8}
_MRAA = {"keypoints": 3, "frames": "pca", "skips": True, "padding": 0, "align_corners": False}
_SIZES = {"block_expansion": 3, "max_features": 13, "blocks": 2, "scale_factor": 1.0}

FAMILIES: dict[str, Callable[[], Config]] = {
    "cpab with a background": tiny_config,
    "cpab, registered, with borders": lambda: tiny_config(
        **{"model.background.backbone": "registration", "model.dense_motion.padding": "border"}
    ),
    "the paper's, resnet18": lambda: tiny_config(
        **{
            "model.cpab.fit": "paper",
            "model.cpab.paper_iterations": 10,
            "model.keypoints.backbone": "resnet18",
            "model.background": None,
        }
    ),
    "tps, heatmaps, odd widths, avd": lambda: tiny_config(
        **{
            "model.motion": "tps",
            "data.frame_size": 96,
            "model.keypoints.backbone": "mobilenetv3_small_050",
            "model.keypoints.head": "heatmap",
            "model.background": None,
            "model.dense_motion": {"block_expansion": 5, "max_features": 11, "blocks": 3},
            "model.inpainting": {"block_expansion": 3, "max_features": 7, "down_blocks": 3},
            "model.avd": _AVD,
        }
    ),
    "fomm": tiny_affine_config,
    "mraa, pixel edges, odd widths, avd": lambda: tiny_affine_config(
        "pca",
        **{
            "model.affine": {**_MRAA, **_SIZES, "bottleneck_blocks": 1},
            "model.dense_motion.scale_factor": 0.5,
            "model.avd": _AVD,
        },
    ),
}


def batch_of(model: AnimationModel, sources: int, poses: int) -> dict[str, Tensor]:
    """Return every tensor that a graph takes or gives, computed by the methods of the model."""
    size, generator = model.frame_size, torch.Generator().manual_seed(sources + 10 * poses)
    source, driving = (
        torch.rand(count, 3, size, size, generator=generator) for count in (sources, poses)
    )
    with torch.no_grad():
        identity, pose = model.keypoints(source), model.keypoints(driving)
        shared = identity.expand_as(pose), source.expand_as(driving)
        candidates = candidate_flows(model, shared[0], pose)
        motion = model.motion(shared[1], shared[0], pose)
        features = model.generator.encode(source)
        return {
            "source": source,
            "driving": driving,
            "source_keypoints": identity,
            "keypoints": pose,
            "candidates": candidates,
            **{f"features_{level}": each for level, each in enumerate(features)},
            "image": model.generate(shared[1], motion),
            "deformation": motion.deformation,
            "occlusion": motion.occlusion_maps[-1],
            **({} if model.avd is None else {"moved_keypoints": model.avd(shared[0], pose)}),
        }


def assert_like(graph: Mapping[str, Any], path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Assert that a graph computes what the model does, within 1e-3."""
    names = [each["name"] for each in graph["inputs"]]
    found = run_file(path, {name: tensors[name] for name in names})
    for each, tensor in zip(graph["outputs"], found, strict=True):
        expected = tensors[each["name"]]
        assert tensor.shape == expected.shape
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(tensor, expected, atol=1e-3 * scale, rtol=0)


def assert_twins(model: AnimationModel, exported: Path, sources: int, poses: int) -> None:
    """Assert that all graphs compute what the model does."""
    graphs = manifest_of(exported)["graphs"]
    tensors = batch_of(model, sources, poses)
    pairs = {"source": tensors["source"].expand_as(tensors["driving"])}
    with torch.no_grad():
        matrix = model.background(pairs["source"], tensors["driving"])
    if "background" in graphs:
        assert matrix is not None
        pairs |= {"matrix": matrix, "driving": tensors["driving"]}
        assert_like(graphs["background"], exported / "background.onnx", pairs)
    detected = {"image": tensors["driving"], "keypoints": tensors["keypoints"]}
    assert_like(graphs["keypoints"], exported / "keypoints.onnx", detected)
    for name in graphs.keys() - {"background", "keypoints"}:
        assert_like(graphs[name], exported / f"{name}.onnx", tensors)


@pytest.fixture(scope="module")
def model() -> AnimationModel:
    return tiny_model(tiny_affine_config())


@pytest.fixture(scope="module")
def exported(model: AnimationModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model, and a file of another program in the same folder."""
    path = tmp_path_factory.mktemp("export") / "model"
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    export_onnx(model, path, force=True)
    return path


@pytest.mark.parametrize(("sources", "poses"), [(1, 1), (1, 5), (4, 4)])
def test_graphs_compute_what_the_model_does(
    model: AnimationModel, exported: Path, sources: int, poses: int
) -> None:
    assert_twins(model, exported, sources, poses)


def test_the_manifest_describes_the_files(model: AnimationModel, exported: Path) -> None:
    import onnx

    manifest = manifest_of(exported)
    assert list(manifest["graphs"]) == ["keypoints", "encode", "render"]
    assert manifest["candidates"]["family"] == "affine"
    assert (manifest["frame_size"], manifest["align_corners"]) == (32, True)
    listed = {"manifest.json", "notes.txt"}
    for graph in manifest["graphs"].values():
        [file] = graph["files"]
        content = (exported / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["bytes"] == len(content)
        assert str(ROOT).encode() not in content
        listed.add(file["name"])
        stated = onnx.load_from_string(content).graph
        for part, values in (("inputs", stated.input), ("outputs", stated.output)):
            shapes = {
                value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
                for value in values
            }
            assert shapes == {each["name"]: each["shape"] for each in graph[part]}
        assert 0 <= graph["largest_difference"] < 1e-4
    assert {path.name for path in exported.iterdir()} == listed


def test_an_existing_folder_is_refused(model: AnimationModel, exported: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in exported.iterdir()}
    with pytest.raises(OutputExistsError, match="is not empty"):
        export_onnx(model, exported)
    assert {path: path.stat().st_mtime_ns for path in exported.iterdir()} == before


def test_a_failure_leaves_no_folder_and_the_model_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: AnimationModel
) -> None:
    changed = copy.deepcopy(model).train()
    before = {name: tensor.clone() for name, tensor in changed.state_dict().items()}

    def fail(*_: object) -> None:
        raise CheckpointError("render: cannot be exported")

    monkeypatch.setattr(folder, "write_graph", fail)
    with pytest.raises(CheckpointError, match="render"):
        export_onnx(changed, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert changed.training
    torch.testing.assert_close(changed.state_dict(), before, rtol=0, atol=0)


def test_the_origin_of_the_weights(tmp_path: Path) -> None:
    assert describe_origin("puppets")["licence"].startswith("Apache-2.0")
    assert describe_origin(None)["checkpoint"] is None

    config = tiny_config(**{"model.motion": "tps"})
    path = tmp_path / "mine.safetensors"
    save_checkpoint(path, tiny_model(config), config, record={"converted_from": "nothing"})
    mine = describe_origin(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert mine["checkpoint"] == {"file": "mine.safetensors", "sha256": digest}
    assert "not stated" in mine["licence"]

    published = write_narrow_model(tmp_path / "vox-cpk.pth.tar", "fomm")
    convert_checkpoint(published).save(path)
    converted = describe_origin(path)
    assert converted["checkpoint"]["converted_from"]["file"] == "vox-cpk.pth.tar"
    assert "CC BY-NC 4.0" in converted["licence"]
    with pytest.raises(CheckpointError, match="no such file"):
        describe_origin(tmp_path / "absent.safetensors")


def assert_example_animates(
    model: AnimationModel, exported: Path, source: Frame, driving: list[Frame]
) -> None:
    """Assert that examples/run_onnx.py renders the frames of `Animator`, to one level of 255."""
    example = example_program()
    found = list(example["animate"](example["ExportedModel"](exported), source, driving))
    expected = list(Animator(model, mode="relative").animate(source, driving))
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    assert np.abs(found[0].astype(int) - found[-1]).max() > 1


def pictures(count: int, size: int) -> list[Frame]:
    """Return smooth random pictures."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [
        np.asarray(Image.fromarray(each).resize((size, size), Image.Resampling.BICUBIC))
        for each in coarse
    ]


def test_the_example_animates_with_the_graphs(model: AnimationModel, exported: Path) -> None:
    source, *driving = pictures(4, model.frame_size)
    assert_example_animates(model, exported, source, driving)


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "fomm"])
def test_every_family_is_exported(family: str, tmp_path: Path) -> None:
    model = tiny_model(FAMILIES[family]())
    calls: list[tuple[int, int | None]] = []
    exported = tmp_path / "exported"
    manifest = export_onnx(model, exported, progress=lambda *call: calls.append(call))
    assert manifest == manifest_of(exported)
    names = ["keypoints", "encode", "render"]
    predicted = isinstance(model.background_predictor, BackgroundPredictor)
    names += ["background"] if predicted else []
    names += ["avd"] if model.avd else []
    assert list(manifest["graphs"]) == names
    assert calls == [(done, len(names)) for done in range(1, len(names) + 1)]
    for sources, poses in ((1, 1), (1, 3), (3, 3)):
        assert_twins(model, exported, sources, poses)
    source, *driving = pictures(4, model.frame_size)
    assert_example_animates(model, exported, source, driving)
    if model.motion_kind == "cpab":
        with safe_open(exported / "cpab.safetensors", "np") as file:
            assert "groups.basis" in file.keys()  # noqa: SIM118  (not a dict)


@pytest.mark.slow
def test_the_bundled_model_animates_the_shipped_pair(tmp_path: Path) -> None:
    model = load_model("puppets", device="cpu")
    export_onnx(model, tmp_path / "exported", checkpoint="puppets")
    files = (tmp_path / "exported", EXAMPLES / "source.png", EXAMPLES / "driving.mp4")
    arguments = [str(each) for each in (*files, "-o", tmp_path / "out.mp4")]
    outcome = CliRunner().invoke(example_program()["app"], arguments)
    assert outcome.exit_code == 0, outcome.output
    with VideoReader(EXAMPLES / "driving.mp4") as video, VideoReader(tmp_path / "out.mp4") as made:
        driving = [frame.image for frame in video]
        assert [frame.image.shape for frame in made] == [(128, 128, 3)] * len(driving)
    source = square_frame(read_image(EXAMPLES / "source.png"), model.frame_size)
    assert_example_animates(model, tmp_path / "exported", source, driving[::15])
