"""The discriminator of a run, trained beside the model to recognise the frames that it draws."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor

from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.losses.adversarial import DiscriminatorAsJudge, discriminator_loss
from cpabmm_core.losses.objective import Outcome
from cpabmm_core.models.build import build_discriminator


class Adversary:
    """A discriminator and its optimizer, which has the settings of the model's.

    A step of the run has two parts, as in FOMM: the model's step, against the discriminator as it
    is; then the discriminator's, on the very frames that the model drew in its own part.

    Args:
        config: says how large the network is and how it learns.
        accelerator: of the run.
    """

    def __init__(self, config: Config, accelerator: Accelerator) -> None:
        training = config.training
        self.accelerator = accelerator
        self.discriminator = build_discriminator(config)
        if training.channels_last:
            self.discriminator.to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(
            self.discriminator.parameters(),
            lr=training.learning_rate,
            betas=training.betas,
            weight_decay=training.weight_decay,
        )
        with _all_parameters_used(accelerator):
            self.prepared, self.optimizer = accelerator.prepare(self.discriminator, optimizer)
        # Not what was prepared: in several processes that would wait for gradients of its own.
        self.judge = DiscriminatorAsJudge(self.discriminator)
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def remember(
        self,
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
        outcome: Outcome,
    ) -> None:
        """Keep a batch of this step to learn from."""
        self._seen.append((outcome.generated.detach(), driving, outcome.kp_driving.detach()))

    def differentiate(self, learning_rate: float) -> tuple[Tensor, Tensor]:
        """The gradient of all batches of this step, which are forgotten then.

        Called after the model's step: loss scaling of fp16 counts one optimizer at a time.

        Args:
            learning_rate: of the step to come.

        Returns:
            Loss of the last batch, as the log has it, and norm of the gradient.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        batches, self._seen = self._seen, []
        for number, (drawn, real, keypoints) in enumerate(batches, 1):
            last = number == len(batches)
            with nullcontext() if last else self.accelerator.no_sync(self.prepared):
                with self.accelerator.autocast():
                    loss = discriminator_loss(self.prepared, drawn, real, keypoints)
                self.accelerator.backward(loss / len(batches))
        self.accelerator.unscale_gradients(self.optimizer)
        gradients = [p.grad for p in self.discriminator.parameters() if p.grad is not None]
        return loss.detach(), torch.nn.utils.get_total_norm(gradients)

    def step(self) -> None:
        """Learn; the gradient is forgotten then, so that no other part of the run sees it."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """What a saved state holds."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], origin: Path) -> None:
        """Go back to a saved state.

        Raises:
            CheckpointError: it is of another discriminator; `origin` is named.
        """
        try:
            self.discriminator.load_state_dict(state["discriminator"])
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{origin}: cannot go on from it ({reason}); was losses.discriminator changed?"
            ) from None
        self.optimizer.load_state_dict(state["optimizer"])


@contextmanager
def _all_parameters_used(accelerator: Accelerator) -> Iterator[None]:
    """What is prepared meanwhile leaves nothing out in any step, as the model may do.

    Where nothing is left out, looking for it costs time and a warning.
    """
    of_the_model = accelerator.ddp_handler
    accelerator.ddp_handler = DistributedDataParallelKwargs()
    try:
        yield
    finally:
        accelerator.ddp_handler = of_the_model
