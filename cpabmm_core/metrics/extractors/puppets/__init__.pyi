"""The public interface of the extractor ``puppets``."""

from .extractor import PuppetExtractor as PuppetExtractor
from .extractor import open_extractor as open_extractor
from .joints import JOINT_NAMES as JOINT_NAMES
from .joints import arrange_joints as arrange_joints
from .networks import IDENTITY_SIDE as IDENTITY_SIDE
from .networks import JOINTS_SIDE as JOINTS_SIDE
from .networks import IdentityNetwork as IdentityNetwork
from .networks import JointDetector as JointDetector
from .networks import Joints as Joints
from .networks import cell_centres as cell_centres
