"""Pictures of what each row makes of the same frames."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ablation.rows import BY_NAME as ROWS_BY_NAME
from ablation.running import open_model
from ablation.scores import MAX_FRAMES
from ablation.store import Key, Store
from ablation.videos import read_video
from PIL import Image, ImageDraw, ImageFont

from cpabmm_core.arrays import Frame
from cpabmm_core.inference import reconstruct
from cpabmm_core.media import list_clips, write_image
from cpabmm_core.models import AnimationModel
from cpabmm_core.visualize import side_by_side

MAX_BYTES = 400_000
_SIDE = 128
_LINE = 18
_PER_LINE = 9
_VIDEOS = 3
_WHITE = (255, 255, 255)


def write_panel(runs: Sequence[tuple[Store, Key]], path: Path) -> None:
    """Draw source, driving frame and the output of each run, for some held-out videos.

    The driving frame is the one that differs most from the source. Fewer videos are drawn if the
    file would be larger than `MAX_BYTES`.

    Args:
        runs: finished runs of one data set, at least one, and the folders that have them.
        path: the PNG to write; an existing one is replaced.
    """
    names = tile_names([key for _, key in runs])
    models = [open_model(store, key, ROWS_BY_NAME[key.row]) for store, key in runs]
    store, first = runs[0]
    clips = list_clips(store.data(first.data_set) / "test")
    chosen = [
        clips[i] for i in np.linspace(0, len(clips) - 1, min(_VIDEOS, len(clips))).astype(int)
    ]
    strips = [_draw_video(clip, names, models) for clip in chosen]
    while True:
        write_image(path, np.concatenate(strips))
        if len(strips) == 1 or path.stat().st_size <= MAX_BYTES:
            return
        strips.pop()


def tile_names(keys: Sequence[Key]) -> list[str]:
    """Return what is written below the frames of each run: its seed only if seeds differ."""
    if len({key.seed for key in keys}) == 1:
        return [key.row for key in keys]
    return [f"{key.row}, {key.seed}" for key in keys]


def _draw_video(clip: Path, names: Sequence[str], models: Sequence[AnimationModel]) -> Frame:
    frames, _ = read_video(clip, MAX_FRAMES)
    shifts = [np.abs(frame.astype(float) - frames[0]).mean() for frame in frames]
    pair = [frames[0], frames[int(np.argmax(shifts))]]
    tiles: list[tuple[str, Frame]] = []
    for name, model in zip(names, models, strict=True):
        with torch.inference_mode():
            source, driving = reconstruct(model, pair)
        if not tiles:
            tiles = [("source", source.real), ("driving", driving.real)]
        tiles.append((name, driving.generated))
    return in_lines([_tile(name, frame) for name, frame in tiles])


def _tile(name: str, frame: Frame) -> Frame:
    """Enlarge a frame without smoothing, and write its name below."""
    large = Image.fromarray(frame).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    label = Image.new("RGB", (_SIDE, _LINE), _WHITE)
    place = (_SIDE / 2, _LINE / 2)
    font = ImageFont.load_default(12)
    ImageDraw.Draw(label).text(place, name, fill=(40, 40, 40), font=font, anchor="mm")
    return np.concatenate([np.asarray(large), np.asarray(label)])


def in_lines(tiles: Sequence[Frame]) -> Frame:
    """Arrange tiles of one size in lines of about the same length."""
    count = -(-len(tiles) // _PER_LINE)
    width = -(-len(tiles) // count)
    lines = [tiles[i : i + width] for i in range(0, len(tiles), width)]
    blank = np.full_like(tiles[0], 255)
    full = [[*line, *[blank] * (width - len(line))] for line in lines]
    return np.concatenate([side_by_side(line) for line in full])
