"""The public names of `cpabmm_core.inference`."""

from .animator import Animator as Animator
from .driving_motion import DrivingMotion as DrivingMotion
from .driving_motion import extract_motion as extract_motion
from .encoded_source import EncodedSource as EncodedSource
from .frames import to_frames as to_frames
from .frames import to_model_input as to_model_input
from .inference_model import InferenceModel as InferenceModel
from .motion_kind import is_motion_file as is_motion_file
from .pose_gap import best_reference as best_reference
from .pose_gap import pose_gap as pose_gap
from .pose_gap import pose_gap_warning as pose_gap_warning
from .poses import PoseTransfer as PoseTransfer
from .reconstructor import FrameErrors as FrameErrors
from .reconstructor import ReconstructedFrame as ReconstructedFrame
from .reconstructor import SetScore as SetScore
from .reconstructor import VideoScore as VideoScore
from .reconstructor import reconstruct as reconstruct
from .reconstructor import score_set as score_set
from .reconstructor import score_video as score_video
from .transfer import TransferMode as TransferMode
from .transfer import transfer_keypoints as transfer_keypoints
from .video import animate_video as animate_video
from .video import reconstruct_video as reconstruct_video
