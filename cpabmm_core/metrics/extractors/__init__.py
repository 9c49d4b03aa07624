"""Networks that find keypoints and identities in frames, for AKD, MKR and AED."""

from cpabmm_core.metrics.extractors.interface import (
    EmbeddingExtractor,
    Extractor,
    ExtractorInfo,
    KeypointExtractor,
    Request,
    SubjectDetector,
)
from cpabmm_core.metrics.extractors.registry import (
    extractor_names,
    open_embedding_extractor,
    open_keypoint_extractor,
    open_subject_detector,
)

__all__ = [
    "EmbeddingExtractor",
    "Extractor",
    "ExtractorInfo",
    "KeypointExtractor",
    "Request",
    "SubjectDetector",
    "extractor_names",
    "open_embedding_extractor",
    "open_keypoint_extractor",
    "open_subject_detector",
]
