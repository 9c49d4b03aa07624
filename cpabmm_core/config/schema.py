"""The configuration of a training run."""

from cpabmm_core.config.data import DataConfig
from cpabmm_core.config.losses import LossesConfig
from cpabmm_core.config.model import ModelConfig
from cpabmm_core.config.section import Section
from cpabmm_core.config.training import AvdTrainingConfig, TrainingConfig


class Config(Section):
    """All settings of a training run.

    Example:
        >>> from cpabmm_core.config import Config
        >>> Config().training.learning_rate
        0.0001
        >>> config = Config(model={"motion": "tps"})
        >>> config.model.motion
        'tps'
    """

    data: DataConfig = DataConfig()
    """The data set and how training pairs are sampled from it."""
    model: ModelConfig = ModelConfig()
    """The animation model."""
    losses: LossesConfig = LossesConfig()
    """The training losses."""
    training: TrainingConfig = TrainingConfig()
    """The optimisation of the main stage."""
    avd: AvdTrainingConfig = AvdTrainingConfig()
    """The optimisation of the avd stage."""
