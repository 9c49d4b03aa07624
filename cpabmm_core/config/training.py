"""Settings of the optimisation, for the main stage and for the avd stage."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cpabmm_core.config.section import NonNegative, Positive, Probability, Section


class CandidateDropoutConfig(Section):
    """Schedule of the probability with which whole candidate motions are dropped.

    Example:
        >>> from cpabmm_core.config import CandidateDropoutConfig
        >>> CandidateDropoutConfig(maximum=0.3).until_epoch
        35
    """

    start: Probability = 0.0
    """Probability at epoch 0."""
    maximum: Probability = 0.0
    """Upper bound of the probability. 0 disables candidate dropout."""
    ramp_epochs: NonNegative = 10
    """Number of epochs in which the probability grows by ``maximum``."""
    until_epoch: NonNegative = 35
    """Epoch from which no candidate is dropped, the background included."""
    background: Probability = 0.0
    """Probability with which the background is dropped, from the first epoch to ``until_epoch``. It
    keeps the network of the flow from giving all weight to the background, from which no other
    candidate recovers."""


class TrainingConfig(Section):
    """Optimisation of the main stage.

    Example:
        >>> from cpabmm_core.config import TrainingConfig
        >>> TrainingConfig(batch_size=4).learning_rate
        0.0001
    """

    epochs: Positive = 100
    """Length of the run, in epochs of ``data.repeats`` pairs per identity."""
    batch_size: Positive = 8
    """Pairs in a batch of one process. A step uses ``batch_size`` x ``accumulation`` pairs per
    process."""
    accumulation: Positive = 1
    """Number of batches whose gradients are accumulated for each step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    """Initial learning rate of Adam."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Decay rates of Adam's moment estimates."""
    weight_decay: NonNegative = 1e-4
    """Weight decay of Adam, as an L2 penalty."""
    milestones: tuple[float, ...] = (70, 90)
    """Epochs at which the learning rate is multiplied by ``milestone_factor``."""
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Factor of the learning rate at each milestone."""
    clip_largest_entry: Annotated[float, Field(gt=0)] | None = 10.0
    """Upper bound of the largest absolute entry of a gradient. The gradients of the keypoint
    detector, the dense motion network and the background predictor are scaled down separately.
    The generator's gradient is never scaled. null disables clipping."""
    candidate_dropout: CandidateDropoutConfig = CandidateDropoutConfig()
    """Schedule of candidate dropout."""
    background_from_epoch: NonNegative = 0
    """Epoch from which the background predictor is trained and used. Before it, the background is
    static."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all random choices of training, and of the split into training and test set."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Number of worker processes that read data for each training process. 0 reads in the training
    process itself."""
    mixed_precision: Annotated[
        Literal["auto", "no", "fp16", "bf16"],
        BeforeValidator(lambda value: "no" if value is False else value),  # YAML reads no as false
    ] = "auto"
    """Precision of the networks. ``auto`` uses a 16-bit format if the device supports it natively,
    and 32 bits (``no``) otherwise."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the exponential moving average of the weights. The averaged model is validated and
    saved as the result. 0 disables averaging."""
    channels_last: bool = False
    """Use the channels-last memory layout, which speeds up convolutions on most GPUs, and on CPUs
    in bf16."""
    compile: bool = False
    """Compile the networks with ``torch.compile``. Worthwhile for long runs on a GPU."""
    log_every: Positive = 50
    """Steps between two lines of the log."""
    checkpoint_every: Positive = 1000
    """Steps between two saved states."""
    keep_states: Positive = 2
    """Number of saved states to keep."""
    panel_every: Positive = 1000
    """Steps between two panels."""
    validate_every: Positive = 1000
    """Steps between two validations, which reconstruct the test clips and select the best
    checkpoint."""
    validation_frames: Positive = 4
    """Number of frames that validation reconstructs in each test clip."""
    trackers: tuple[str, ...] | None = None
    """Experiment trackers of Accelerate, for example ``[wandb]``. null uses TensorBoard if it is
    installed; ``[]`` uses none."""


class AvdTrainingConfig(Section):
    """Optimisation of the avd network, on the keypoints that a trained model detects.

    Example:
        >>> from cpabmm_core.config import AvdTrainingConfig
        >>> AvdTrainingConfig(epochs=20).batch_size
        256
    """

    epochs: Positive = 100
    """Length of the run, in epochs of ``repeats`` pairs per identity."""
    repeats: Positive = 150
    """Pairs sampled from each identity per epoch, on average."""
    batch_size: Annotated[int, Field(ge=2)] = 256
    """Pairs per step, at least 2."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Initial learning rate of Adam."""
    milestones: tuple[float, ...] = (70, 90)
    """Epochs at which the learning rate is multiplied by ``milestone_factor``."""
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Factor of the learning rate at each milestone."""
    random_scale: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Largest relative change of a pose's scale along x and y. The random scales hide the object's
    shape from the network."""
    log_every: Positive = 100
    """Steps between two lines of the log."""
    checkpoint_every: Positive = 10000
    """Steps between two saved states."""
