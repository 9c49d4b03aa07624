"""The public names of training."""

from .avd import train_avd as train_avd
from .loop import train as train
from .planning import Plan as Plan
from .planning import plan as plan
from .reporting import Silent as Silent
from .reporting import TrainingReporter as TrainingReporter
from .run import TrainingRun as TrainingRun
