"""Balance loss: every candidate motion is used (the load balancing of mixtures of experts).

A network that mixes candidates soon prefers the few that happen to be good, and the others are
never taught. Shazeer et al., Outrageously Large Neural Networks (ICLR 2017, section 4), met the
same with experts and their gate, and added a loss that is least when all are used alike.
"""

import math

import torch
from torch import Tensor

_SMALLEST = 1e-12


def balance_loss(
    contribution_maps: Tensor,  # (B, K, h, w), sums to 1 over K, the background first
) -> Tensor:  # ()
    """Log of the number of candidates, minus the entropy of their shares of the use.

    The use of a candidate is its mean contribution over the batch. The background does not count.
    The loss is 0 for equal use, and log(K - 1) where one candidate is used everywhere.
    """
    used = contribution_maps[:, 1:].float().mean((0, 2, 3))
    shares = used / used.sum().clamp_min(_SMALLEST)
    # The slope of the entropy has no bound at 0, where a candidate was dropped in all of a batch.
    entropy: Tensor = torch.special.entr(shares.clamp_min(_SMALLEST)).sum()
    return math.log(len(shares)) - entropy
