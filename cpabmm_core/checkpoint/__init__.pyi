"""The public interface for checkpoints."""

from .catalogue import PUBLIC_CHECKPOINTS as PUBLIC_CHECKPOINTS
from .catalogue import PublicCheckpoint as PublicCheckpoint
from .catalogue import find_public_checkpoint as find_public_checkpoint
from .convert import Conversion as Conversion
from .convert import convert_checkpoint as convert_checkpoint
from .convert import open_checkpoint as open_checkpoint
from .download import download_checkpoint as download_checkpoint
from .format import Checkpoint as Checkpoint
from .format import save_checkpoint as save_checkpoint
from .header import CheckpointHeader as CheckpointHeader
from .header import read_header as read_header
from .load import find_checkpoint as find_checkpoint
from .load import load_model as load_model
