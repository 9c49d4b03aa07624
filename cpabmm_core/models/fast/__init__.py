"""Networks prepared for inference: the same results in less time, from the same parameters."""

from cpabmm_core.models.fast.prepare import prepare_for_inference

__all__ = ["prepare_for_inference"]
