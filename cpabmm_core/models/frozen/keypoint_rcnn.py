"""torchvision's Keypoint R-CNN (He et al., Mask R-CNN, 2017, arXiv 1703.06870)."""

from pathlib import Path

import torch
from torchvision.models.detection import KeypointRCNN, KeypointRCNN_ResNet50_FPN_Weights
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

from cpabmm_core.models.frozen.weights import WeightFile, fill, read_weights

COCO_JOINTS = 17
_CLASSES = 2  # background and person
_COUNTER = ".num_batches_tracked"

KEYPOINT_RCNN_FILE = WeightFile(
    what="torchvision's Keypoint R-CNN weights",
    name="keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    source=KeypointRCNN_ResNet50_FPN_Weights.COCO_V1.url,
    megabytes=237,
    key="bodies?weights=PATH",
    sha256="fc266e95",
    licence="trained on COCO; torchvision states no separate licence for the weights",
)


def load_keypoint_rcnn(path: Path, score: float) -> KeypointRCNN:
    """Read the weights of the ResNet-50 Keypoint R-CNN, without executing code from the file.

    Args:
        path: torchvision's ``COCO_V1`` weights.
        score: lowest score, in [0, 1], of the people to report.

    Raises:
        CheckpointError: the file is damaged or belongs to another network.
    """
    with torch.random.fork_rng(devices=[]):  # the random weights are overwritten
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None)
        network = KeypointRCNN(
            backbone, _CLASSES, num_keypoints=COCO_JOINTS, box_score_thresh=score
        )
    tensors = read_weights(path, KEYPOINT_RCNN_FILE.what)
    # Files that were saved with trainable batch norms also contain their batch counters.
    tensors = {name: value for name, value in tensors.items() if not name.endswith(_COUNTER)}
    fill(network, tensors, path, KEYPOINT_RCNN_FILE.what)
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0  # torchvision's value for these weights
    return network.requires_grad_(False).eval()
