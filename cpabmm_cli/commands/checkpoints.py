"""``cpabmm checkpoints``: the public files that cpabmm can use."""

from typing import Annotated, Any

import typer

from cpabmm_cli.checkpoints import checkpoints_folder
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import JsonOption
from cpabmm_core.checkpoint.catalogue import PUBLIC_FILES, PublicFile, public_file


def _known(name: str | None) -> str | None:
    if name is not None and public_file(name) is None:
        names = ", ".join(file.name for file in PUBLIC_FILES)
        raise typer.BadParameter(f"no such checkpoint {name!r}; take one of {names}")
    return name


def checkpoints(
    *,
    download: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", callback=_known, help="Download this one; nothing else ever is."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List public checkpoints of TPSMM, FOMM and MRAA, and tell where to put them."""
    if download is not None:
        _download(download, json=json)
        return
    folder = checkpoints_folder()
    if json:
        files = [_document(file) for file in PUBLIC_FILES]
        terminal.result(as_json({"folder": str(folder), "checkpoints": files}))
        return
    for file in PUBLIC_FILES:
        terminal.result(_entry(file))
    terminal.say(f"Put a file, under its own name, into {folder}.")
    terminal.say("Then --checkpoint takes its name; so it does the path of any file you have.")


def _download(name: str, *, json: bool) -> None:
    from cpabmm_core.checkpoint.download import download

    file = public_file(name)
    assert file is not None  # the option was checked
    terminal.say(f"downloading {file.file}, {file.megabytes} MB, from {file.url or file.page}")
    terminal.say(f"licence: {file.licence}")
    with terminal.counter(file.file) as progress:
        path = download(file, checkpoints_folder(), progress)
    terminal.result(as_json({"path": str(path)}) if json else str(path))


def _here(file: PublicFile) -> bool:
    return (checkpoints_folder() / file.file).is_file()


def _entry(file: PublicFile) -> str:
    place = (
        "here" if _here(file) else "can be downloaded" if file.url else "to be had from its page"
    )
    return (
        f"{file.name}: {file.file}, {file.megabytes} MB, frames {file.frame_size} x "
        f"{file.frame_size}, {place}\n"
        f"  {file.page}\n"
        f"  licence: {file.licence}\n"
        f"  sha256: {file.sha256 or 'not known'}"
    )


def _document(file: PublicFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "kind": file.kind,
        "file": file.file,
        "page": file.page,
        "url": file.url,
        "megabytes": file.megabytes,
        "sha256": file.sha256,
        "frame_size": file.frame_size,
        "licence": file.licence,
        "here": _here(file),
    }
