"""``cpabmm animate``: animate the object in a picture with the motion of a video."""

import typer

from cpabmm_cli.animation_options import (
    AudioOption,
    BackgroundOption,
    BatchOption,
    BatchSizeOption,
    CheckpointOption,
    CodecOption,
    CompareOption,
    CropOption,
    DeviceOption,
    DrivingArgument,
    DrivingCropOption,
    FitOption,
    ForceOption,
    FormatOption,
    FpsOption,
    HullScalingOption,
    JsonOption,
    MirrorOption,
    ModeOption,
    MotionOption,
    MotionScaleOption,
    OutputOption,
    PasteBackOption,
    PrecisionOption,
    QualityOption,
    ReferenceOption,
    SaveMotionOption,
    SizeOption,
    SkipExistingOption,
    SmoothOption,
    SourceArgument,
    VisualizeOption,
)
from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT


def animate(
    context: typer.Context,
    source: SourceArgument = None,
    driving: DrivingArgument = None,
    *,
    output: OutputOption = None,
    size: SizeOption = None,
    format: FormatOption = None,
    codec: CodecOption = None,
    quality: QualityOption = None,
    fps: FpsOption = None,
    audio: AudioOption = "copy",
    compare: CompareOption = False,
    visualize: VisualizeOption = False,
    json: JsonOption = False,
    force: ForceOption = False,
    crop: CropOption = "none",
    driving_crop: DrivingCropOption = "none",
    mirror: MirrorOption = False,
    fit: FitOption = "crop",
    paste_back: PasteBackOption = False,
    background: BackgroundOption = None,
    mode: ModeOption = "relative",
    reference_frame: ReferenceOption = "0",
    motion_scale: MotionScaleOption = 1.0,
    smooth: SmoothOption = 0.0,
    hull_scaling: HullScalingOption = None,
    motion: MotionOption = "model",
    save_motion: SaveMotionOption = None,
    checkpoint: CheckpointOption = DEFAULT_CHECKPOINT,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    batch_size: BatchSizeOption = None,
    batch: BatchOption = None,
    skip_existing: SkipExistingOption = False,
) -> None:
    """Animate a picture with the motion of a video, keeping the video's timestamps and sound."""
    from cpabmm_cli.animation_runs import run_pair
    from cpabmm_cli.animation_tables import run_table

    values = context.params  # most options are fields of the settings, by the same names
    if batch is not None:
        for name, given in (("SOURCE", source), ("--save-motion", save_motion)):
            if given is not None:
                raise typer.BadParameter("excludes --batch", param_hint=name)
        if output is None or output == "-":
            raise typer.BadParameter("--batch needs a folder", param_hint="--output")
        run_table(batch, output, values, skip=skip_existing, json=json, force=force)
        return
    if skip_existing:
        raise typer.BadParameter("needs --batch", param_hint="--skip-existing")
    if source is None or driving is None:
        missing = "SOURCE" if source is None else "DRIVING"
        raise typer.BadParameter("is missing", param_hint=missing)
    if source == driving == "-":
        raise typer.BadParameter("standard input can be only one of them", param_hint="SOURCE")
    if output == "-" and json:
        raise typer.BadParameter("stdout has the result; give -o a file", param_hint="--json")
    run_pair(source, driving, output, values, json=json, force=force)
