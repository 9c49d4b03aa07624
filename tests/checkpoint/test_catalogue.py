import re

from cpabmm_core.checkpoint.catalogue import (
    PUBLIC_CHECKPOINTS,
    find_public_checkpoint,
    recognise_public_checkpoint,
)
from cpabmm_core.checkpoint.layouts import LAYOUTS
from cpabmm_core.checkpoint.names import BUNDLED


def test_aliases_names_and_digests_are_unique() -> None:
    for key in ("alias", "name"):
        values = [getattr(file, key) for file in PUBLIC_CHECKPOINTS]
        assert len(set(values)) == len(values)
    assert not {file.alias for file in PUBLIC_CHECKPOINTS} & set(BUNDLED)
    digests = [file.sha256 for file in PUBLIC_CHECKPOINTS if file.sha256]
    assert len(set(digests)) == len(digests)


def test_every_entry_is_complete() -> None:
    kinds = {layout.kind for layout in LAYOUTS}
    for file in PUBLIC_CHECKPOINTS:
        assert file.kind in kinds
        assert file.alias.startswith(file.kind)
        assert file.page.startswith("https://")
        assert file.source is None or file.source.startswith("https://")
        assert not file.is_on_hub
        assert file.sha256 == "" or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.licence


def test_every_download_can_be_verified() -> None:
    assert all(file.sha256 for file in PUBLIC_CHECKPOINTS if file.source)


def test_content_decides_before_the_name() -> None:
    vox, ted = find_public_checkpoint("tpsmm-vox"), find_public_checkpoint("tpsmm-ted")
    assert vox is not None
    assert ted is not None
    assert recognise_public_checkpoint("vox.pth.tar", ted.sha256, "tpsmm") == ted
    assert recognise_public_checkpoint("vox.pth.tar", "0" * 64, "tpsmm") == vox
    assert recognise_public_checkpoint("vox.pth.tar", "0" * 64, "fomm") is None
    assert recognise_public_checkpoint("mine.pth", "0" * 64, "fomm") is None
    assert find_public_checkpoint("vox") is None
