"""The public interface of the training data."""

from . import preprocess as preprocess
from .augment import augment_pair as augment_pair
from .batches import Batch as Batch
from .batches import PairSample as PairSample
from .batches import explain_lost_workers as explain_lost_workers
from .batches import read_batches as read_batches
from .clip_set import open_clips as open_clips
from .frames_dataset import FramesDataset as FramesDataset
from .identities import identity_of as identity_of
from .pair_sampler import PairKey as PairKey
from .pair_sampler import PairSampler as PairSampler
from .split import DataSplit as DataSplit
from .split import Subset as Subset
from .split import split_data_set as split_data_set
from .validation_pairs import ValidationPairs as ValidationPairs
from .validation_pairs import open_validation as open_validation
