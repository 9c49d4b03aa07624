"""Weight files of dlib: in the package face-recognition-models, or in a folder."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from cpabmm_core.errors import CheckpointError, ConfigError

WEIGHTS_PACKAGE = "face-recognition-models"
_MODULE = "face_recognition_models"
_LANDMARK_FILE = "shape_predictor_68_face_landmarks.dat"
_IDENTITY_FILE = "dlib_face_recognition_resnet_model_v1.dat"


def weights_package_version() -> str:
    """Return the version of the package.

    Raises:
        ConfigError: the package is not installed.
    """
    try:
        return version(WEIGHTS_PACKAGE)
    except PackageNotFoundError:
        raise _missing_package() from None


def find_dlib_weights(folder: Path | None) -> list[Path]:
    """Return the files of the landmark predictor and of the identity network.

    Args:
        folder: folder that contains both files; None uses those of the package.

    Raises:
        ConfigError: the package is not installed.
        CheckpointError: the folder lacks a file.
    """
    folder = _package_folder() if folder is None else folder
    files = [folder / _LANDMARK_FILE, folder / _IDENTITY_FILE]
    for file in files:
        if not file.is_file():
            raise CheckpointError(
                f"{folder}: lacks {file.name}; give a folder with both files of {WEIGHTS_PACKAGE}"
            )
    return files


def _package_folder() -> Path:
    """Return the folder of weights without importing the package, which needs pkg_resources."""
    spec = find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise _missing_package()
    return Path(spec.submodule_search_locations[0], "models")


def _missing_package() -> ConfigError:
    return ConfigError(
        f"faces-dlib: the package {WEIGHTS_PACKAGE}, which contains the weights, is not installed; "
        "install it with: pip install 'cpabmm[faces-dlib]', or give a folder: "
        "faces-dlib?weights=FOLDER"
    )
