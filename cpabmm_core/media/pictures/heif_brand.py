"""Recognition of HEIF pictures, which look like MP4 videos to FFmpeg."""

from pathlib import Path

_HEVC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_AV1_BRANDS = {b"avif", b"avis"}
_OTHER_BRANDS = {b"j2ki", b"j2is", b"avci", b"avcs", b"jpeg", b"jpgs", b"vvic", b"vvis"}
_GENERAL_BRANDS = {b"mif1", b"mif2", b"mif3", b"msf1", b"miaf"}
_HEAD_BYTES = 512


def heif_brand(head: bytes) -> str | None:
    """Return what a file of the HEIF family is coded with, from its first bytes.

    A video that also carries a general brand of HEIF among its compatible brands is no picture: its
    main brand says what it is.

    Args:
        head: the first bytes of the file; 512 are enough.

    Returns:
        ``avif`` for AVIF, ``heif`` for HEIC and the other members, None for any other file.

    Example:
        >>> heif_brand(bytes([0, 0, 0, 24]) + b"ftypmif1" + bytes(4) + b"mif1heic")
        'heif'
        >>> heif_brand(bytes([0, 0, 0, 24]) + b"ftypisom" + bytes(4) + b"isommp41") is None
        True
    """
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    main = head[8:12]
    compatible = {head[i : i + 4] for i in range(16, end - 3, 4)}
    if main in _AV1_BRANDS:
        return "avif"
    if main in _HEVC_BRANDS | _OTHER_BRANDS:
        return "heif"
    if main not in _GENERAL_BRANDS:
        return None
    return "avif" if compatible & _AV1_BRANDS and not compatible & _HEVC_BRANDS else "heif"


def is_heif(path: Path) -> bool:
    """Return whether a file is a picture of the HEIF family, AVIF included; False if unreadable."""
    try:
        with path.open("rb") as file:
            return heif_brand(file.read(_HEAD_BYTES)) is not None
    except OSError:
        return False
