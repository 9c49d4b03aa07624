"""The discriminator of a run, trained alongside the model to recognise generated frames."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor

from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.checks import one_line
from cpabmm_core.losses.adversarial import AdversarialLosses, discriminator_loss
from cpabmm_core.models.build import build_discriminator
from cpabmm_core.models.pair_reconstruction import PairReconstruction
from cpabmm_core.training.optimizer import create_adam, restore_adam


class Adversary:
    """A discriminator and its optimizer, which uses the settings of the model's optimizer.

    As in FOMM, each training step has two parts. First the model is updated against the current
    discriminator; then the discriminator is updated on the frames that the model generated before
    its own update.

    Args:
        config: size of the network and settings of the optimizer.
        accelerator: accelerator of the run.
    """

    def __init__(self, config: Config, accelerator: Accelerator) -> None:
        training = config.training
        self.accelerator = accelerator
        self.discriminator = build_discriminator(config)
        if training.channels_last:
            self.discriminator.to(memory_format=torch.channels_last)
        optimizer = create_adam(
            self.discriminator.parameters(),
            device=accelerator.device,
            learning_rate=training.learning_rate,
            betas=training.betas,
            weight_decay=training.weight_decay,
        )
        with _without_unused_parameter_search(accelerator):
            self.prepared, self.optimizer = accelerator.prepare(self.discriminator, optimizer)
        # The losses use the plain network. The prepared one would synchronise its gradients.
        self.losses = AdversarialLosses(self.discriminator)
        self._remembered: list[tuple[Tensor, Tensor, Tensor]] = []

    def remember(
        self,
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
        pair: PairReconstruction,
    ) -> None:
        """Keep a batch of this step for the update of the discriminator."""
        self._remembered.append((pair.generated.detach(), driving, pair.kp_driving.detach()))

    def differentiate(self, learning_rate: float) -> tuple[Tensor, Tensor]:
        """Compute the gradient over the remembered batches, and discard the batches.

        Call this after the model's step: fp16 loss scaling handles one optimizer at a time.

        Args:
            learning_rate: learning rate of the step that follows.

        Returns:
            The loss of the last batch, for the log, and the norm of the gradient.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        batches, self._remembered = self._remembered, []
        for number, (generated, real, keypoints) in enumerate(batches, 1):
            last = number == len(batches)
            with nullcontext() if last else self.accelerator.no_sync(self.prepared):
                with self.accelerator.autocast():
                    loss = discriminator_loss(self.prepared, generated, real, keypoints)
                self.accelerator.backward(loss / len(batches))
        self.accelerator.unscale_gradients(self.optimizer)
        gradients = [p.grad for p in self.discriminator.parameters() if p.grad is not None]
        return loss.detach(), torch.nn.utils.get_total_norm(gradients)

    def step(self) -> None:
        """Take an optimizer step and clear the gradient."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the discriminator and its optimizer."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], origin: Path) -> None:
        """Load a saved state.

        Args:
            state: result of `state_dict`.
            origin: path of the state, for the error message.

        Raises:
            CheckpointError: the state belongs to a discriminator of other sizes.
        """
        try:
            self.discriminator.load_state_dict(state["discriminator"])
        except RuntimeError as error:
            reason = one_line(error)[:200]
            raise CheckpointError(
                f"{origin}: cannot resume from this state ({reason}); was losses.discriminator "
                "changed?"
            ) from None
        restore_adam(self.optimizer, state["optimizer"])


@contextmanager
def _without_unused_parameter_search(accelerator: Accelerator) -> Iterator[None]:
    """Disable the search for unused parameters while networks are prepared.

    The discriminator uses all its parameters in every step, unlike the model. The search would cost
    time and cause a warning.
    """
    handler = accelerator.ddp_handler
    accelerator.ddp_handler = DistributedDataParallelKwargs()
    try:
        yield
    finally:
        accelerator.ddp_handler = handler
