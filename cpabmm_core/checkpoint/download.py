"""Download of a published checkpoint, only on request."""

from pathlib import Path

from cpabmm_core.checkpoint.catalogue import PublicCheckpoint
from cpabmm_core.errors import CheckpointError, DownloadError
from cpabmm_core.files.display import ShowProgress, current_display, show_downloads
from cpabmm_core.files.download import download_file


def download_checkpoint(
    file: PublicCheckpoint, folder: Path, show_progress: ShowProgress | None = None
) -> Path:
    """Download a published checkpoint into a folder, complete and verified or not at all.

    Args:
        file: the checkpoint.
        folder: folder to write into. It is created if missing; a file of the same name is replaced.
        show_progress: receives the name of the file, then the number of bytes; None uses the
            display of `show_downloads`.

    Returns:
        The path of the file.

    Raises:
        CheckpointError: the file has no direct link, cannot be downloaded, or is not the stated
            one.
        ResourceError: the disk is full.

    Example:
        >>> from cpabmm_core.checkpoint import find_public_checkpoint
        >>> ted = find_public_checkpoint("tpsmm-ted")
        >>> download_checkpoint(ted, Path("checkpoints"))  # doctest: +SKIP
    """
    cure = f"put {file.name} from {file.page} into {folder}"
    if file.source is None:
        raise CheckpointError(f"{file.alias}: no direct link to the file exists", cure)
    try:
        with show_downloads(show_progress or current_display()):
            return download_file(file, folder)
    except DownloadError as error:
        raise CheckpointError(
            f"{file.alias}: downloading {file.source} failed ({error})", cure
        ) from None
