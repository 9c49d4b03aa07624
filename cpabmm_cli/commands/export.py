"""``cpabmm export``: write a model as ONNX graphs, for programs without PyTorch."""

from cpabmm_cli.checkpoints import prepare_checkpoint
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import CheckpointOption, ForceOption, JsonOption, OutputFolder
from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT


def export(
    *,
    output: OutputFolder,
    checkpoint: CheckpointOption = DEFAULT_CHECKPOINT,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Write a model as ONNX graphs with a manifest, for programs without PyTorch.

    Needs `pip install 'cpabmm[onnx]'`. Every graph is compared with PyTorch in ONNX Runtime. The
    fit of the candidate motions stays outside the graphs.
    """
    from cpabmm_core.export.packages import require_packages
    from cpabmm_core.files.output import check_output_folder

    check_output_folder(output, force=force)
    require_packages()

    from cpabmm_core import export_onnx, load_model  # imports torch; mistakes are reported before

    path = prepare_checkpoint(checkpoint)
    model = load_model(path, "cpu")
    terminal.say(f"exporting {checkpoint}, motion {model.motion_kind}")
    with terminal.counter("exporting") as progress:
        manifest = export_onnx(model, output, checkpoint=path, force=force, progress=progress)
    for name, graph in manifest["graphs"].items():
        megabytes = sum(file["bytes"] for file in graph["files"]) / 1e6
        difference = graph["largest_difference"]
        terminal.say(f"{name}  {megabytes:.1f} MB, differs from PyTorch by {difference:.1g}")
    terminal.result(as_json({"output": str(output), **manifest}) if json else str(output))
