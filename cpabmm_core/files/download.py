"""Downloads: by pooch from a URL, by huggingface_hub from a Hugging Face repository.

Nothing here prints or shows a progress bar; progress goes to a callback. After a broken connection
huggingface_hub continues where it stopped, and pooch raises an error.
"""

from pathlib import Path
from typing import Any, Self

import huggingface_hub
import pooch  # type: ignore[import-untyped]
import requests

from cpabmm_core.errors import CpabmmError, DownloadError
from cpabmm_core.files.checks import describe_wrong_content, is_disk_full, write_error
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.files.display import current_display
from cpabmm_core.files.output import atomic_path
from cpabmm_core.files.published import PublishedFile
from cpabmm_core.progress import Progress

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30
_HEAD_BYTES = 512


def download_file(file: PublishedFile, folder: Path) -> Path:
    """Download a file from its URL into a folder, complete and verified or not at all.

    The display of `show_downloads` shows the progress.

    Args:
        file: the file; its source must be a URL.
        folder: folder to write into. It is created if missing; a file of the same name is replaced.

    Returns:
        The path of the downloaded file.

    Raises:
        DownloadError: the server cannot be reached or answers with an error, the content is empty,
            a web page, a Git LFS pointer or has another SHA-256 digest than stated, or the file
            cannot be written. The message is a reason without the description of the file.
        ResourceError: the disk is full.
    """
    path = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error, DownloadError) from None
    with (
        atomic_path(path, force=True, kind=DownloadError) as temporary,
        current_display()(file.name) as progress,
    ):
        try:
            _fetch(file, temporary, progress)
        except requests.RequestException as error:
            raise DownloadError(describe_failure(error)) from None
        except OSError as error:
            raise write_error(path, error, DownloadError) from None
        _verify(file, temporary)
    return path


def download_from_hub(file: PublishedFile) -> Path:
    """Download a file from its Hugging Face repository into the cache of huggingface_hub.

    The display of `show_downloads` shows the progress.

    Args:
        file: the file; its source must be a repository.

    Returns:
        The path of the file in the cache.

    Raises:
        DownloadError: the file cannot be downloaded. The message is a reason without its name.
        ResourceError: the disk is full.
    """
    assert file.source is not None
    try:
        with current_display()(file.name) as progress:
            bar = _hub_bar(progress)
            return Path(huggingface_hub.hf_hub_download(file.source, file.name, tqdm_class=bar))
    except CpabmmError:
        raise
    except Exception as error:  # httpx, requests and huggingface_hub each have their own family
        if is_disk_full(error):
            raise write_error(Path(huggingface_hub.constants.HF_HUB_CACHE), error) from None
        raise DownloadError(describe_failure(error)) from None


def describe_failure(error: BaseException) -> str:
    """Return the reason of a network error in a few words, without addresses of objects.

    The libraries wrap the error of the operating system several times; only the innermost message
    is useful.
    """
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code} {error.response.reason}".strip()
    if isinstance(error, requests.Timeout):
        return f"no answer within {_TIMEOUT_SECONDS} seconds"
    innermost = error
    step: BaseException | None = error
    while step is not None:
        if getattr(step, "strerror", None) or "HTTP" in type(step).__name__:
            innermost = step
        step = step.__cause__ or step.__context__
    lines = str(getattr(innermost, "strerror", None) or innermost).strip().splitlines()
    return lines[0].strip() if lines else type(innermost).__name__


class _Bar:
    """A stand-in for a progress bar of tqdm that shows nothing and reports to a callback."""

    def __init__(self, progress: Progress, total: int | None = None, done: int = 0) -> None:
        self.total, self.n = total, done
        self._progress = progress

    def update(self, count: float | None = 1) -> None:
        """Add bytes. pooch adds whole chunks, even if the last one is shorter."""
        if not count:  # pooch's final report if the total is unknown
            return
        self.n += int(count)
        if self.total:
            self.n = min(self.n, self.total)
        self._progress(self.n, self.total or None)

    def reset(self) -> None:
        """Start again at zero, which pooch does before it reports the total."""
        self.n = 0

    def set_postfix_str(self, *_: object, **__: object) -> None:
        """Ignore text of huggingface_hub next to the bar."""

    set_description = refresh = clear = close = set_postfix_str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def _hub_bar(progress: Progress) -> type[Any]:
    """Return a class for huggingface_hub, which may create several bars for one file.

    The callback receives the progress of the most advanced bar.
    """
    furthest = 0

    def report(done: int, total: int | None) -> None:
        nonlocal furthest
        if done > furthest:
            furthest = done
            progress(done, total)

    class HubBar(_Bar):
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            super().__init__(report, total, initial)

    return HubBar


def _fetch(file: PublishedFile, target: Path, progress: Progress) -> None:
    fetch = pooch.HTTPDownloader(
        progressbar=_Bar(progress), chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_SECONDS
    )
    fetch(file.source, str(target), None)


def _verify(file: PublishedFile, path: Path) -> None:
    with path.open("rb") as opened:
        wrong = describe_wrong_content(opened.read(_HEAD_BYTES))
    if wrong is not None:
        raise DownloadError(f"the content {wrong[0]}")
    if not file.sha256:
        return
    digest = file_sha256(path)
    if not digest.startswith(file.sha256):
        raise DownloadError(
            f"the content is another file: SHA-256 {digest[:16]}..., not {file.sha256[:16]}..."
        )
