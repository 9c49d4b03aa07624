"""Balance loss: even use of the candidate motions, like load balancing in mixtures of experts.

A network that mixes candidates soon prefers the few that happen to fit well, and the others receive
no gradient. Shazeer et al., Outrageously Large Neural Networks (ICLR 2017, section 4), observed the
same for the gate of a mixture of experts, and added a loss that is smallest for equal use.
"""

import math

import torch
from torch import Tensor

_SMALLEST = 1e-12


def balance_loss(
    contribution_maps: Tensor,  # (B, K, h, w), sums to 1 over K, the background first
) -> Tensor:  # (), from 0 to log(K - 1)
    """Return log(K - 1) minus the entropy of the candidates' shares, without the background.

    The share of a candidate is its mean contribution over the batch, normalised over the K - 1
    candidates. The loss is 0 for equal shares, and log(K - 1) if one candidate is used everywhere.

    Example:
        >>> balance_loss(torch.full((1, 4, 8, 8), 0.25)).abs() < 1e-6
        tensor(True)
    """
    used = contribution_maps[:, 1:].float().mean((0, 2, 3))
    shares = used / used.sum().clamp_min(_SMALLEST)
    # A candidate dropped in a whole batch has the share 0, where the slope of entropy is infinite.
    entropy: Tensor = torch.special.entr(shares.clamp_min(_SMALLEST)).sum()
    return math.log(len(shares)) - entropy
