"""Catalogue of published checkpoints that cpabmm recognises.

The repositories of the publishers (MRAA) and mirrors (TPSMM, FOMM) state sizes and digests. Direct
links lead to mirrors, because the publishers link to web pages only. A download is accepted only if
it has the stated digest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cpabmm_core.files.published import PublishedFile

_FOMM_RELEASE = "https://github.com/graphemecluster/first-order-model-demo/releases/download"
_VESSL = "https://huggingface.co/vessl/thin-plate-spline-motion-model/resolve/main"
_MIRROR = "https://huggingface.co/MCMLXXXVII/thinplatesv1/resolve/main/orig"


@dataclass(frozen=True, kw_only=True)
class PublicCheckpoint(PublishedFile):
    """A published checkpoint; `name` is the name of its file, `source` a direct link.

    Example:
        >>> for checkpoint in PUBLIC_CHECKPOINTS[:2]:
        ...     print(checkpoint.alias, checkpoint.name, checkpoint.frame_size)
        tpsmm-vox vox.pth.tar 256
        tpsmm-taichi taichi.pth.tar 256
    """

    alias: str
    """Its name in cpabmm, for example ``tpsmm-vox``."""
    kind: str
    """Layout of the file: ``tpsmm``, ``fomm`` or ``mraa``."""
    page: str
    """Web page of its publisher."""
    frame_size: int = 256
    """Side of the frames that it was trained on, in pixels."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the section ``model.affine`` that differ from the defaults of its layout."""


_tpsmm = partial(
    PublicCheckpoint,
    kind="tpsmm",
    page="https://github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model",
    licence="code MIT, weights not mentioned",
)
_fomm = partial(
    PublicCheckpoint,
    kind="fomm",
    page="https://github.com/AliaksandrSiarohin/first-order-model",
    licence="code MIT (CC BY-NC 4.0 when they were published), weights not mentioned",
)
_mraa = partial(
    PublicCheckpoint,
    kind="mraa",
    page="https://github.com/snap-research/articulated-animation",
    licence="none granted, for code or weights",
)

PUBLIC_CHECKPOINTS = (
    _tpsmm(
        alias="tpsmm-vox",
        name="vox.pth.tar",
        megabytes=351,
        sha256="52ad8c848e2a1d91b621de96fea83faf57ce3b8c1c06424e317f4df1d3998204",
        source=f"{_VESSL}/vox.pth.tar",
    ),
    _tpsmm(
        alias="tpsmm-taichi",
        name="taichi.pth.tar",
        megabytes=351,
        sha256="0aa12db735ed9959b3e70d8c3ad171ee7282d235d2e4bcae2b25b7a8c7e63dca",
        source=f"{_MIRROR}/taichi.pth.tar",
    ),
    _tpsmm(
        alias="tpsmm-ted",
        name="ted.pth.tar",
        megabytes=351,
        frame_size=384,
        sha256="b067b374bf9bd11dcc1a00261c323264ccefaded449690aa4c3f6f16ac0ea0ed",
        source=f"{_MIRROR}/ted.pth.tar",
    ),
    _tpsmm(
        alias="tpsmm-mgif",
        name="mgif.pth.tar",
        megabytes=306,
        sha256="bf2cc30137885005a23b4171965f0888d8b5c898bcbbb284c8d7fa1b5b8e9b47",
        source=f"{_MIRROR}/mgif.pth.tar",
    ),
    _fomm(
        alias="fomm-vox",
        name="vox-cpk.pth.tar",
        megabytes=729,
        sha256="abb41ab1f279f26326c0d6e4d20702de6658364665aa1313daa7a63e89ea2b23",
        source=f"{_FOMM_RELEASE}/checkpoints/vox-cpk.pth.tar",
    ),
    _fomm(
        alias="fomm-vox-adv",
        name="vox-adv-cpk.pth.tar",
        megabytes=751,
        sha256="6792d6810d7f46e3c5c487a1cfec916b96fad8912c3c6cc81baa1fc300c820d3",
        source=f"{_FOMM_RELEASE}/checkpoints/vox-adv-cpk.pth.tar",
    ),
    _fomm(alias="fomm-taichi", name="taichi-cpk.pth.tar", megabytes=751),
    _fomm(
        alias="fomm-taichi-adv",
        name="taichi-adv-cpk.pth.tar",
        megabytes=751,
        sha256="cf17bbb05bece3a75f353e42699a4c3ddc8152f486065c2c6741f4d1edecda64",
    ),
    _fomm(
        alias="fomm-fashion",
        name="fashion.pth.tar",
        megabytes=751,
        sha256="b83989ebdc2f0c766034fbec004099ab70733cf4c562794f82c8077afbf7ba7e",
    ),
    _fomm(
        alias="fomm-mgif",
        name="mgif-cpk.pth.tar",
        megabytes=750,
        sha256="03152bf4ea1ca2c29c430e60b3010f81577a2bae0740f7f8b06d1951a640fdba",
    ),
    _fomm(alias="fomm-bair", name="bair-cpk.pth.tar", megabytes=751),
    _fomm(alias="fomm-nemo", name="nemo-cpk.pth.tar", megabytes=751),
    _mraa(
        alias="mraa-vox",
        name="vox256.pth",
        megabytes=292,
        sha256="a8c59e0b38f96195eac6414265dcf8e4b15e0675cea2622489b735edc61b3b66",
        settings={"padding": 3},
    ),
    _mraa(
        alias="mraa-taichi",
        name="taichi256.pth",
        megabytes=273,
        sha256="6fd5ebb68953d6c7d02ff765986efa1c8a62d349817fe736a6069e07dc8c17af",
    ),
    _mraa(
        alias="mraa-ted",
        name="ted384.pth",
        megabytes=273,
        frame_size=384,
        sha256="5c88fb60718a64a8fd87043b0e95781b50e500457d03bf3b4fd26cca6b70c3f7",
    ),
    _mraa(
        alias="mraa-ted-youtube",
        name="ted-youtube384.pth",
        megabytes=293,
        frame_size=384,
        sha256="75ce78089fc2f0b0a276346bf8f14c2043895845ed869bdbe9b2656d3feec13b",
    ),
    _mraa(
        alias="mraa-mgif",
        name="mgif256.pth",
        megabytes=248,
        sha256="58b796e31f763ccfbb240f959c9d92c2afe8a6e57da303e07d8fabd1f2921c68",
    ),
)
"""All published checkpoints that cpabmm recognises; their aliases are unique."""


def find_public_checkpoint(alias: str) -> PublicCheckpoint | None:
    """Return the published checkpoint with this alias, or None.

    Example:
        >>> find_public_checkpoint("tpsmm-ted").frame_size
        384
    """
    return next((each for each in PUBLIC_CHECKPOINTS if each.alias == alias), None)


def recognise_public_checkpoint(name: str, sha256: str, kind: str) -> PublicCheckpoint | None:
    """Return the published checkpoint that a file is a copy of, or None.

    Args:
        name: name of the file.
        sha256: digest of the file; a match takes precedence over the name.
        kind: layout of the file, which must also match if only the name does.
    """
    for each in PUBLIC_CHECKPOINTS:
        if each.sha256 == sha256:
            return each
    return next(
        (each for each in PUBLIC_CHECKPOINTS if (each.name, each.kind) == (name, kind)), None
    )
