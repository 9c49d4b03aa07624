"""Animate a picture with the graphs that `cpabmm export` wrote.

ONNX Runtime runs the networks and NumPy does the rest, as a program in any language can. Only CPAB
motion needs more: `cpabmm_core.cpab` fits its transformations.

cpabmm export -o exported
python examples/run_onnx.py exported examples/source.png examples/driving.mp4 -o animated.mp4
"""

import json
from collections.abc import Iterable, Iterator
from itertools import tee
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime
import typer
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from cpabmm_core.media import VideoReader, VideoWriter, read_image, square_frame

Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]  # (H, W, 3) RGB
Settings = dict[str, Any]

app = typer.Typer(add_completion=False)

SMALLEST_AREA = 0.02**2
"""A smaller hull is no measure of size."""


class ExportedModel:
    """The graphs in a folder, with the manifest that describes them."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.size: int = self.manifest["frame_size"]
        self._sessions = {
            name: onnxruntime.InferenceSession(str(folder / graph["files"][0]["name"]))
            for name, graph in self.manifest["graphs"].items()
        }

    def run(self, graph: str, **tensors: Floats) -> dict[str, Floats]:
        """Run a graph on those of the tensors that it takes, and return its outputs by name."""
        described, session = self.manifest["graphs"][graph], self._sessions[graph]
        inputs = {each["name"]: tensors[each["name"]] for each in described["inputs"]}
        outputs = [each["name"] for each in described["outputs"]]
        return dict(zip(outputs, session.run(outputs, inputs), strict=True))

    def keypoints(self, image: Floats) -> Floats:  # (B, 3, S, S) -> (B, N, 2 or 6)
        """Detect the keypoints of pictures."""
        return self.run("keypoints", image=image)["keypoints"]


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Folder that `cpabmm export` wrote.")],
    source: Annotated[Path, typer.Argument(help="Picture to animate.")],
    driving: Annotated[Path, typer.Argument(help="Video whose motion to use.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Video to write.")],
) -> None:
    """Write the animation in mode relative, at the size of the model, and print its path."""
    model = ExportedModel(folder)
    size = model.size
    with (
        VideoReader(driving) as video,
        VideoWriter(output, size, size, video.frame_rate, video.time_base) as writer,
    ):
        frames, times = tee(video)
        pictures = animate(model, read_image(source), (frame.image for frame in frames))
        for picture, frame in zip(pictures, times, strict=True):
            writer.write(picture, frame.pts, frame.duration)
    typer.echo(output)


def animate(model: ExportedModel, source: Picture, driving: Iterable[Picture]) -> Iterator[Picture]:
    """Yield the source in the pose of each driving frame; the first is the reference."""
    image = to_input(source, model.size)
    points = model.keypoints(image)
    features = model.run("encode", source=image)
    reference: Floats | None = None
    for frame in driving:
        pose = model.keypoints(to_input(frame, model.size))
        reference = pose if reference is None else reference
        moved = transfer(points, pose, reference, model.manifest)
        flows = candidates(points, moved, model.manifest["candidates"])
        known = {"source": image, "source_keypoints": points, **features}
        rendered = model.run("render", keypoints=moved, candidates=flows, **known)["image"]
        yield (rendered[0].transpose(1, 2, 0).clip(0, 1) * 255).round().astype(np.uint8)


def to_input(picture: Picture, size: int) -> Floats:  # (H, W, 3) -> (1, 3, S, S)
    """Cut out the largest centred square and resize it to the frames of the model."""
    pixels: Floats = square_frame(picture, size).astype(np.float32) / 255
    return pixels.transpose(2, 0, 1)[None]


def transfer(source: Floats, driving: Floats, reference: Floats, manifest: Settings) -> Floats:
    """Move the source's keypoints like the driving ones since the reference (mode relative)."""
    scale = 1.0
    if manifest["relative_hull_scaling"]:
        areas = [hull_area(points[0, :, :2]) for points in (source, reference)]
        scale = np.sqrt(areas[0] / areas[1]) if min(areas) > SMALLEST_AREA else 1.0
    moved = source.repeat(len(driving), axis=0)
    moved[..., :2] += scale * (driving - reference)[..., :2]
    if source.shape[-1] == 6:
        turn = jacobians(driving) @ np.linalg.inv(jacobians(reference))
        moved[..., 2:] = (turn @ jacobians(source)).reshape(*moved.shape[:2], 4)
    return moved


def hull_area(points: Floats) -> float:  # (N, 2)
    """Return the area of the convex hull; 0 for points on a line."""
    try:
        return float(ConvexHull(points).volume)
    except QhullError:
        return 0.0


def jacobians(keypoints: Floats) -> Floats:  # (B, N, 6) -> (B, N, 2, 2)
    """Return the matrices of keypoints with jacobians."""
    return keypoints[..., 2:].reshape(*keypoints.shape[:2], 2, 2)


def candidates(source: Floats, poses: Floats, settings: Settings) -> Floats:  # (B, K, h, w, 2)
    """Return the candidate motions: the background at rest, then those of the keypoints."""
    height, width = settings["size"]
    rows, columns = (np.linspace(-1, 1, length, dtype=np.float32) for length in (height, width))
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    families = {"cpab": cpab_flows, "tps": tps_flows, "affine": affine_flows}
    source = source.repeat(len(poses) // len(source), axis=0)
    moved = families[settings["family"]](source, poses, grid, settings)
    rest = np.broadcast_to(grid, (len(poses), 1, *grid.shape))
    flows: Floats = np.concatenate((rest, moved), axis=1).astype(np.float32)
    return flows.reshape(len(poses), -1, height, width, 2)


def cpab_flows(source: Floats, poses: Floats, grid: Floats, settings: Settings) -> Floats:
    """Fit a CPAB transformation to each group, and one to all keypoints; (B, K - 1, h w, 2)."""
    import torch

    from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform

    flows = []
    for name, groups in (("groups", settings["groups"]), ("global", 1)):
        if name not in settings["fit"]:
            continue
        chosen = settings["fit"][name]
        space = VelocitySpace(
            Tessellation(*chosen["cells"]), chosen["boundary"], chosen["volume_preserving"]
        )
        start, end, square = (
            torch.from_numpy((points.reshape(-1, points.shape[-2] // count, 2) + 1) / 2)
            for points, count in ((poses, groups), (source, groups), (grid, 1))
        )
        is_adam = settings["fit"]["solver"] == "adam"
        fitted = fit(
            space,
            start,
            end,
            settings["fit"]["solver"],
            iterations=chosen["iterations"],
            noise=settings["fit"].get("noise"),
            length_scale=settings["fit"].get("prior", {}).get("length_scale"),
            together=groups if is_adam else None,
        )
        moved = transform(space, fitted.theta, square.expand(len(start), -1, -1)).numpy()
        flows.append(moved.reshape(len(poses), groups, -1, 2) * 2 - 1)
    return np.concatenate(flows, axis=1)


def tps_flows(source: Floats, poses: Floats, grid: Floats, settings: Settings) -> Floats:
    """Fit a thin-plate spline to each group and evaluate it on the grid; (B, K - 1, h w, 2)."""
    shape = (len(poses), settings["groups"], -1, 2)
    centres, ends = poses.reshape(shape).astype(float), source.reshape(shape).astype(float)
    count = centres.shape[2]
    affine = np.concatenate((centres, np.ones_like(centres[..., :1])), axis=-1)
    system = np.zeros((*shape[:2], count + 3, count + 3))
    system[..., :count, :count] = bending(centres, centres)
    system[..., :count, count:] = affine
    system[..., count:, :count] = affine.swapaxes(-1, -2)
    system += settings["regularisation"] * np.eye(count + 3)
    weights = np.linalg.solve(system, np.pad(ends, ((0, 0), (0, 0), (0, 3), (0, 0))))
    linear = grid @ weights[..., count:-1, :] + weights[..., -1:, :]
    flows: Floats = linear + bending(grid[None, None], centres) @ weights[..., :count, :]
    return flows


def bending(points: Floats, centres: Floats) -> Floats:  # (..., P, 2), (..., C, 2) -> (..., P, C)
    """Return r^2 log r^2 of the distances r."""
    squared = ((points[..., :, None, :] - centres[..., None, :, :]) ** 2).sum(axis=-1)
    kernel: Floats = squared * np.log(np.maximum(squared, np.finfo(float).tiny))
    return kernel


def affine_flows(source: Floats, poses: Floats, grid: Floats, settings: Settings) -> Floats:
    """Return the affine map of each keypoint, p_S + A_S A_D^-1 (z - p_D); (B, K - 1, h w, 2)."""
    matrix = jacobians(source) @ np.linalg.inv(jacobians(poses))
    if settings["undirected"]:  # axes have no direction, so a turn is at most a right angle
        matrix = np.where(matrix[..., :1, :1] < 0, -matrix, matrix)
    offsets = grid - poses[:, :, None, :2]
    flows: Floats = source[:, :, None, :2] + offsets @ matrix.swapaxes(-1, -2)
    return flows


if __name__ == "__main__":
    app()
