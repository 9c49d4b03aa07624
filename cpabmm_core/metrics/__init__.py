"""Measures of generated frames, as the field computes them."""

from cpabmm_core.metrics.identity_distance import average_euclidean_distance
from cpabmm_core.metrics.image_quality import peak_signal_noise_ratio, structural_similarity
from cpabmm_core.metrics.keypoint_distance import KeypointDistance, average_keypoint_distance
from cpabmm_core.metrics.l1 import l1
from cpabmm_core.metrics.unexplained_share import UnexplainedShare, unexplained_share

__all__ = [
    "KeypointDistance",
    "UnexplainedShare",
    "average_euclidean_distance",
    "average_keypoint_distance",
    "l1",
    "peak_signal_noise_ratio",
    "structural_similarity",
    "unexplained_share",
]
