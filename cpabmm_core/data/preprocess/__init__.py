"""Data sets for training, cut out of raw videos, published data sets and GIFs.

`preprocess_videos` finds and cuts clips of faces, bodies or motion. `cut_set` cuts TaiChi, VoxCeleb
and TED-talks as their published tables specify. `convert_gifs` converts folders of GIFs.

Example:
    >>> from cpabmm_core.data.preprocess import ClipSettings, rules_for
    >>> settings = ClipSettings("motion", rules_for("motion", min_frames=32), size=128)
    >>> settings.rules.min_frames, settings.file_format
    (32, 'mp4')
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
