"""The public interface of the library."""

from . import checkpoint as checkpoint
from . import config as config
from . import cpab as cpab
from . import data as data
from . import errors as errors
from . import export as export
from . import geometry as geometry
from . import inference as inference
from . import losses as losses
from . import media as media
from . import metrics as metrics
from . import models as models
from . import pointsets as pointsets
from . import puppets as puppets
from . import training as training
from . import visualize as visualize
from .checkpoint.convert import open_checkpoint as open_checkpoint
from .checkpoint.load import load_model as load_model
from .export.folder import export_onnx as export_onnx
from .inference.animator import Animator as Animator
from .inference.reconstructor import reconstruct as reconstruct
from .inference.stream import AnimationStream as AnimationStream
from .training.loop import train as train
from .training.run import TrainingRun as TrainingRun

__version__: str
