import re

from cpabmm_core.checkpoint.catalogue import PUBLIC_FILES, public_file, public_file_like
from cpabmm_core.checkpoint.layouts import LAYOUTS
from cpabmm_core.checkpoint.names import BUNDLED


def test_every_file_can_be_told_from_the_others() -> None:
    for key in ("name", "file"):
        values = [getattr(file, key) for file in PUBLIC_FILES]
        assert len(set(values)) == len(values)
    assert not {file.name for file in PUBLIC_FILES} & set(BUNDLED)
    hashes = [file.sha256 for file in PUBLIC_FILES if file.sha256]
    assert len(set(hashes)) == len(hashes)


def test_every_file_says_what_a_person_needs() -> None:
    kinds = {layout.kind for layout in LAYOUTS}
    for file in PUBLIC_FILES:
        assert file.kind in kinds
        assert file.name.startswith(file.kind)
        assert file.page.startswith("https://")
        assert file.url is None or file.url.startswith("https://")
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.licence


def test_nothing_is_downloaded_that_cannot_be_checked() -> None:
    assert all(file.sha256 for file in PUBLIC_FILES if file.url)


def test_a_file_is_known_by_content_before_name() -> None:
    vox, ted = public_file("tpsmm-vox"), public_file("tpsmm-ted")
    assert vox is not None
    assert ted is not None
    assert ted.sha256 is not None
    assert public_file_like("vox.pth.tar", ted.sha256, "tpsmm") == ted
    assert public_file_like("vox.pth.tar", "0" * 64, "tpsmm") == vox
    assert public_file_like("vox.pth.tar", "0" * 64, "fomm") is None
    assert public_file("vox") is None
