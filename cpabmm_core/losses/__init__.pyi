"""The public names of the losses."""

from .adversarial import AdversarialLosses as AdversarialLosses
from .adversarial import adversarial_loss as adversarial_loss
from .adversarial import discriminator_loss as discriminator_loss
from .adversarial import feature_matching_loss as feature_matching_loss
from .background import background_loss as background_loss
from .balance import balance_loss as balance_loss
from .equivariance import equivariance_loss as equivariance_loss
from .equivariance import frame_equivariance_loss as frame_equivariance_loss
from .perceptual import PerceptualLoss as PerceptualLoss
from .pixel import PixelLoss as PixelLoss
from .semantic import SemanticLoss as SemanticLoss
from .semantic import semantic_loss as semantic_loss
from .structure import StructureLoss as StructureLoss
from .structure import self_similarity as self_similarity
from .structure import structure_loss as structure_loss
from .warp import warp_loss as warp_loss
