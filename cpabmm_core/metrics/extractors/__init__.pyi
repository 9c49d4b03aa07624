"""The public interface of the extractors."""

from .cache import FrameCache as FrameCache
from .interface import EmbeddingExtractor as EmbeddingExtractor
from .interface import Extractor as Extractor
from .interface import ExtractorInfo as ExtractorInfo
from .interface import KeypointExtractor as KeypointExtractor
from .interface import Request as Request
from .interface import SubjectDetector as SubjectDetector
from .registry import extractor_names as extractor_names
from .registry import open_embedding_extractor as open_embedding_extractor
from .registry import open_keypoint_extractor as open_keypoint_extractor
from .registry import open_subject_detector as open_subject_detector
