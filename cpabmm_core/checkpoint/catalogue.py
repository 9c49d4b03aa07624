"""Public files of weights that are known, with what tells one from another.

Sizes and hashes are those that the publishing repositories (MRAA) and mirrors (TPSMM, FOMM) state.
Links lead to mirrors, for the publishers link to pages only; a download has to have the hash.
"""

from dataclasses import dataclass, field
from typing import Any

_TPSMM = "https://github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model"
_FOMM = "https://github.com/AliaksandrSiarohin/first-order-model"
_MRAA = "https://github.com/snap-research/articulated-animation"
_FOMM_RELEASE = "https://github.com/graphemecluster/first-order-model-demo/releases/download"
_VESSL = "https://huggingface.co/vessl/thin-plate-spline-motion-model/resolve/main"
_MIRROR = "https://huggingface.co/MCMLXXXVII/thinplatesv1/resolve/main/orig"
_CODE_MIT = "code MIT, weights not mentioned"
_CODE_MIT_SINCE = "code MIT (CC BY-NC 4.0 when they were published), weights not mentioned"
_NONE = "none granted, for code or weights"


@dataclass(frozen=True)
class PublicFile:
    """A file that someone has published."""

    name: str
    """What cpabmm calls it."""
    kind: str
    """Its layout."""
    file: str
    """What its publisher calls it."""
    page: str
    """Where it is published."""
    frame_size: int
    """Side of the frames it was trained with."""
    licence: str
    megabytes: int
    """Millions of bytes."""
    sha256: str | None = None
    """None where nobody states it."""
    url: str | None = None
    """Of the file itself; None where only a page is known."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the section ``model.affine``, where they differ from its layout's."""


PUBLIC_FILES = (
    PublicFile(
        "tpsmm-vox", "tpsmm", "vox.pth.tar", _TPSMM, 256, _CODE_MIT, 351,
        "52ad8c848e2a1d91b621de96fea83faf57ce3b8c1c06424e317f4df1d3998204",
        f"{_VESSL}/vox.pth.tar",
    ),
    PublicFile(
        "tpsmm-taichi", "tpsmm", "taichi.pth.tar", _TPSMM, 256, _CODE_MIT, 351,
        "0aa12db735ed9959b3e70d8c3ad171ee7282d235d2e4bcae2b25b7a8c7e63dca",
        f"{_MIRROR}/taichi.pth.tar",
    ),
    PublicFile(
        "tpsmm-ted", "tpsmm", "ted.pth.tar", _TPSMM, 384, _CODE_MIT, 351,
        "b067b374bf9bd11dcc1a00261c323264ccefaded449690aa4c3f6f16ac0ea0ed",
        f"{_MIRROR}/ted.pth.tar",
    ),
    PublicFile(
        "tpsmm-mgif", "tpsmm", "mgif.pth.tar", _TPSMM, 256, _CODE_MIT, 306,
        "bf2cc30137885005a23b4171965f0888d8b5c898bcbbb284c8d7fa1b5b8e9b47",
        f"{_MIRROR}/mgif.pth.tar",
    ),
    PublicFile(
        "fomm-vox", "fomm", "vox-cpk.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 729,
        "abb41ab1f279f26326c0d6e4d20702de6658364665aa1313daa7a63e89ea2b23",
        f"{_FOMM_RELEASE}/checkpoints/vox-cpk.pth.tar",
    ),
    PublicFile(
        "fomm-vox-adv", "fomm", "vox-adv-cpk.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 751,
        "6792d6810d7f46e3c5c487a1cfec916b96fad8912c3c6cc81baa1fc300c820d3",
        f"{_FOMM_RELEASE}/checkpoints/vox-adv-cpk.pth.tar",
    ),
    PublicFile("fomm-taichi", "fomm", "taichi-cpk.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 751),
    PublicFile(
        "fomm-taichi-adv", "fomm", "taichi-adv-cpk.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 751,
        "cf17bbb05bece3a75f353e42699a4c3ddc8152f486065c2c6741f4d1edecda64",
    ),
    PublicFile(
        "fomm-fashion", "fomm", "fashion.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 751,
        "b83989ebdc2f0c766034fbec004099ab70733cf4c562794f82c8077afbf7ba7e",
    ),
    PublicFile(
        "fomm-mgif", "fomm", "mgif-cpk.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 750,
        "03152bf4ea1ca2c29c430e60b3010f81577a2bae0740f7f8b06d1951a640fdba",
    ),
    PublicFile("fomm-bair", "fomm", "bair-cpk.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 751),
    PublicFile("fomm-nemo", "fomm", "nemo-cpk.pth.tar", _FOMM, 256, _CODE_MIT_SINCE, 751),
    PublicFile(
        "mraa-vox", "mraa", "vox256.pth", _MRAA, 256, _NONE, 292,
        "a8c59e0b38f96195eac6414265dcf8e4b15e0675cea2622489b735edc61b3b66",
        settings={"padding": 3},
    ),
    PublicFile(
        "mraa-taichi", "mraa", "taichi256.pth", _MRAA, 256, _NONE, 273,
        "6fd5ebb68953d6c7d02ff765986efa1c8a62d349817fe736a6069e07dc8c17af",
    ),
    PublicFile(
        "mraa-ted", "mraa", "ted384.pth", _MRAA, 384, _NONE, 273,
        "5c88fb60718a64a8fd87043b0e95781b50e500457d03bf3b4fd26cca6b70c3f7",
    ),
    PublicFile(
        "mraa-ted-youtube", "mraa", "ted-youtube384.pth", _MRAA, 384, _NONE, 293,
        "75ce78089fc2f0b0a276346bf8f14c2043895845ed869bdbe9b2656d3feec13b",
    ),
    PublicFile(
        "mraa-mgif", "mraa", "mgif256.pth", _MRAA, 256, _NONE, 248,
        "58b796e31f763ccfbb240f959c9d92c2afe8a6e57da303e07d8fabd1f2921c68",
    ),
)  # fmt: skip
"""The files of which something was published, by name unique."""


def public_file(name: str) -> PublicFile | None:
    """The file that cpabmm calls so; None if there is none."""
    return next((each for each in PUBLIC_FILES if each.name == name), None)


def public_file_like(file: str, sha256: str, kind: str) -> PublicFile | None:
    """The public file of that content, else of that name and layout; None if there is none."""
    by_hash = (each for each in PUBLIC_FILES if each.sha256 == sha256)
    by_name = (each for each in PUBLIC_FILES if (each.file, each.kind) == (file, kind))
    return next(by_hash, None) or next(by_name, None)
