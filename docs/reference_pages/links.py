"""Links of Markdown pages, adjusted to the place of the page in the site."""

import os
import posixpath
import re

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")


def relocate_links(markdown: str, *, origin: str, page: str, blob_url: str) -> str:
    """Rewrite relative links so that they work from a page of the site.

    Links to pages and images of the site become relative to `page`. Links to other files of the
    repository lead to the hosted repository.

    Args:
        markdown: text of the page.
        origin: path of the source file in the repository.
        page: path of the page below ``docs``.
        blob_url: address under which the hosted repository shows files.
    """

    def replace(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if path.startswith("docs/"):
            start = posixpath.dirname(f"docs/{page}")
            return os.path.relpath(path, start).replace(os.sep, "/") + anchor
        return f"{blob_url}/{path}{anchor}"

    return _LINK.sub(replace, markdown)
