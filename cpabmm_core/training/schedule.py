"""Values that depend on how far training is."""

from cpabmm_core.config import CandidateDropoutConfig


def candidate_dropout(config: CandidateDropoutConfig, epoch: float) -> float:
    """Probability of dropping a candidate: grows linearly, ends with `until_epoch`."""
    if epoch >= config.until_epoch:
        return 0.0
    grown = min(1.0, epoch / config.ramp_epochs) if config.ramp_epochs else 1.0
    return config.start + (config.maximum - config.start) * grown


def learning_rate_factor(milestones: tuple[float, ...], factor: float, epoch: float) -> float:
    """`factor` to the power of the milestones passed."""
    return factor ** sum(epoch >= milestone for milestone in milestones)
