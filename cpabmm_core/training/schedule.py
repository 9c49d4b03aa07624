"""Schedules: values that depend on the epoch."""

from cpabmm_core.config import CandidateDropoutConfig


def candidate_dropout(config: CandidateDropoutConfig, epoch: float) -> float:
    """Return the probability of dropping a candidate motion.

    It is min(start + maximum * epoch / ramp_epochs, maximum) until `until_epoch`, as in TPSMM. With
    a positive start, the maximum is therefore reached before the end of the ramp. TPSMM counts
    whole epochs; here epochs are fractional.
    """
    if epoch >= config.until_epoch:
        return 0.0
    progress = epoch / config.ramp_epochs if config.ramp_epochs else 1.0
    return min(config.start + config.maximum * progress, config.maximum)


def background_dropout(config: CandidateDropoutConfig, epoch: float) -> float:
    """Return the probability of dropping the background, constant until `until_epoch`."""
    return config.background if epoch < config.until_epoch else 0.0


def learning_rate_factor(milestones: tuple[float, ...], factor: float, epoch: float) -> float:
    """Return `factor` to the power of the number of milestones passed."""
    return factor ** sum(epoch >= milestone for milestone in milestones)
