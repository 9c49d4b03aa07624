"""Opening a camera with OpenCV, an optional dependency."""

import os
import sys
from pathlib import Path

from cpabmm_core.errors import MediaError
from cpabmm_core.media.camera import CameraFrames, Capture


def open_camera(number: int) -> CameraFrames:
    """Open a camera.

    Args:
        number: 0 for the first one.

    Raises:
        MediaError: OpenCV is missing, there is no such camera, or it cannot be used.
    """
    name = f"camera:{number}"
    try:
        import cv2
    except ImportError:
        raise MediaError(f"{name}: needs OpenCV", "pip install 'cpabmm[camera]'") from None
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture: Capture = cv2.VideoCapture(number)
        is_open = capture.isOpened()
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not is_open:
        capture.release()
        raise MediaError(f"{name}: {_why_not(number)}")
    return CameraFrames(name, capture)


def _why_not(number: int) -> str:
    """Return why a camera does not open, and what to do about it."""
    if not sys.platform.startswith("linux"):
        return (
            "cannot be opened; check that it is connected, that no other program uses it, and that "
            "the system lets this program use cameras"
        )
    device = Path(f"/dev/video{number}")
    if not device.exists():
        others = sorted(
            int(p.name[5:]) for p in Path("/dev").glob("video*") if p.name[5:].isdigit()
        )
        names = ", ".join(f"camera:{each}" for each in others)
        return f"no such camera; {f'give one of {names}' if names else 'connect one'}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"permission denied for {device}; add your user to the group that owns it"
    return "cannot be opened; check that it is a camera and that no other program uses it"
