"""Values that depend on how far training is."""

from cpabmm_core.config import CandidateDropoutConfig


def candidate_dropout(config: CandidateDropoutConfig, epoch: float) -> float:
    """Probability of dropping a candidate: grows linearly to its maximum, ends with `until_epoch`.

    min(epoch / ramp * maximum + start, maximum), as in TPSMM; so with a start above 0 the maximum
    is reached before the ramp's end. TPSMM counts whole epochs, here they have fractions.
    """
    if epoch >= config.until_epoch:
        return 0.0
    grown = epoch / config.ramp_epochs if config.ramp_epochs else 1.0
    return min(config.start + config.maximum * grown, config.maximum)


def learning_rate_factor(milestones: tuple[float, ...], factor: float, epoch: float) -> float:
    """`factor` to the power of the milestones passed."""
    return factor ** sum(epoch >= milestone for milestone in milestones)
