"""``cpabmm checkpoints``: list and download the published checkpoints that cpabmm recognises."""

from typing import Annotated, Any

import typer

from cpabmm_cli.checkpoints import checkpoints_folder
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import JsonOption
from cpabmm_core.checkpoint.catalogue import (
    PUBLIC_CHECKPOINTS,
    PublicCheckpoint,
    find_public_checkpoint,
)


def _check_alias(alias: str | None) -> str | None:
    if alias is not None and find_public_checkpoint(alias) is None:
        aliases = ", ".join(file.alias for file in PUBLIC_CHECKPOINTS)
        raise typer.BadParameter(f"unknown checkpoint {alias!r}; choose one of {aliases}")
    return alias


def checkpoints(
    *,
    download: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            callback=_check_alias,
            help="Download this checkpoint. Without this option nothing is downloaded.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the published checkpoints of TPSMM, FOMM and MRAA, or download one."""
    if download is not None:
        _download(download, json=json)
        return
    folder = checkpoints_folder()
    if json:
        files = [_document(file) for file in PUBLIC_CHECKPOINTS]
        terminal.result(as_json({"folder": str(folder), "checkpoints": files}))
        return
    for file in PUBLIC_CHECKPOINTS:
        terminal.result(_entry(file))
    terminal.say(
        f"To use a checkpoint, download it with --download NAME or put its file into {folder}."
    )
    terminal.say(
        "Then give its name to --checkpoint, which also accepts the path of any checkpoint."
    )


def _download(alias: str, *, json: bool) -> None:
    from cpabmm_core.checkpoint.download import download_checkpoint

    file = find_public_checkpoint(alias)
    assert file is not None  # `_check_alias` has rejected unknown names
    terminal.say(f"downloading {file.name}, {file.megabytes} MB, from {file.source or file.page}")
    terminal.say(f"licence: {file.licence}")
    path = download_checkpoint(file, checkpoints_folder())
    terminal.result(as_json({"path": str(path)}) if json else str(path))


def _is_present(file: PublicCheckpoint) -> bool:
    return (checkpoints_folder() / file.name).is_file()


def _entry(file: PublicCheckpoint) -> str:
    availability = "no direct link (see its page)"
    if _is_present(file):
        availability = "on this machine"
    elif file.source:
        availability = "can be downloaded"
    return (
        f"{file.alias}: {file.name}, {file.megabytes} MB, frames {file.frame_size} x "
        f"{file.frame_size}, {availability}\n"
        f"  {file.page}\n"
        f"  licence: {file.licence}\n"
        f"  sha256: {file.sha256 or 'unknown'}"
    )


def _document(file: PublicCheckpoint) -> dict[str, Any]:
    return {
        "name": file.alias,
        "kind": file.kind,
        "file": file.name,
        "page": file.page,
        "url": file.source,
        "megabytes": file.megabytes,
        "sha256": file.sha256 or None,
        "frame_size": file.frame_size,
        "licence": file.licence,
        "here": _is_present(file),
    }
