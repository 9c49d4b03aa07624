"""The public names of the puppets."""

from .appearance import BodyPlan as BodyPlan
from .bones import BodyBone as BodyBone
from .bones import BodyPart as BodyPart
from .bones import body_bones as body_bones
from .motion import MotionName as MotionName
from .regions import REGIONS as REGIONS
from .regions import frame_regions as frame_regions
from .render import PuppetVideo as PuppetVideo
from .render import Split as Split
from .render import render_puppet as render_puppet
from .repertoire import motion_names as motion_names
from .samples import PuppetSamples as PuppetSamples
from .samples import render_samples as render_samples
from .scene_motion import scene_motion as scene_motion
from .write import Format as Format
from .write import write_puppets as write_puppets
