"""The public names of `cpabmm_core.inference`."""

from .animator import Animator as Animator
from .auto_crop import find_region as find_region
from .encoded_source import EncodedSource as EncodedSource
from .frames import to_frames as to_frames
from .frames import to_model_input as to_model_input
from .inference_model import InferenceModel as InferenceModel
from .paste import paste_back as paste_back
from .reconstructor import FrameErrors as FrameErrors
from .reconstructor import ReconstructedFrame as ReconstructedFrame
from .reconstructor import SetScore as SetScore
from .reconstructor import VideoScore as VideoScore
from .reconstructor import reconstruct as reconstruct
from .reconstructor import score_set as score_set
from .reconstructor import score_video as score_video
from .regions import Fit as Fit
from .regions import Framing as Framing
from .regions import Region as Region
from .regions import frame_region as frame_region
from .subject_warning import subject_warning as subject_warning
from .transfer import TransferMode as TransferMode
from .transfer import transfer_keypoints as transfer_keypoints
from .video import animate_video as animate_video
from .video import reconstruct_video as reconstruct_video
