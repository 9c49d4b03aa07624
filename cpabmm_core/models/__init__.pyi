"""The public names of `cpabmm_core.models`."""

from .affine_motion import AffineMotion as AffineMotion
from .animation_model import AnimationModel as AnimationModel
from .avd import AvdNetwork as AvdNetwork
from .background import BackgroundPredictor as BackgroundPredictor
from .build import build_model as build_model
from .cpab_motion import CpabMotion as CpabMotion
from .dense_motion import DenseMotionNetwork as DenseMotionNetwork
from .dense_motion import Motion as Motion
from .discriminator import Discriminator as Discriminator
from .generator import Generator as Generator
from .hourglass_keypoints import HourglassKeypointDetector as HourglassKeypointDetector
from .inpainting import InpaintingNetwork as InpaintingNetwork
from .keypoints import KeypointDetector as KeypointDetector
from .motion import CandidateMotion as CandidateMotion
from .motion_swap import with_cpab_motion as with_cpab_motion
from .occlusion_aware import OcclusionAwareGenerator as OcclusionAwareGenerator
from .tps_motion import TpsMotion as TpsMotion
