"""Training data: clips, identities, random frame pairs and batches.

A data set is a folder with ``train`` and ``test``, each with one clip per file or sub-folder. A
clip is a training video of one identity, which is the part of its name up to the first ``#``.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> from cpabmm_core.config import DataConfig
    >>> from cpabmm_core.data import FramesDataset, PairSampler, read_batches
    >>> from cpabmm_core.puppets import write_puppets
    >>> temporary = tempfile.TemporaryDirectory()
    >>> folder = Path(temporary.name)
    >>> size = dict(videos=2, test_videos=1, frames=4, size=32)
    >>> write_puppets(folder, **size, seed=0, format="strip", force=True)
    >>> dataset = FramesDataset(folder / "train", DataConfig(frame_size=32))
    >>> sampler = PairSampler(len(dataset), repeats=1, batch_size=2, seed=0)
    >>> (batch,) = read_batches(dataset, sampler, workers=0)
    >>> batch.driving.shape
    torch.Size([2, 3, 32, 32])
    >>> temporary.cleanup()
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
