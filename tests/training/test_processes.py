"""Training in several processes: the same run as in one process, and a common end."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from _helpers.first_step import first_gradients, write_gradients
from _helpers.tiny_model import tiny_config
from _helpers.training_runs import PATIENCE, begin, begin_all, command, lines, wait_for_lines
from accelerate import Accelerator
from torch.distributed.elastic.multiprocessing.api import SubprocessContext

from cpabmm_cli.launching import run_together
from cpabmm_cli.stopping import StopOnSignal
from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.config import DataConfig, dump_config
from cpabmm_core.data.batches import read_batches
from cpabmm_core.data.validation_pairs import open_validation
from cpabmm_core.device import is_cpu
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.validation import validate

SETTINGS = {
    "losses.reconstruction_kind": "pixel",
    "losses.adversarial": 1.0,
    "losses.discriminator": {"block_expansion": 4, "max_features": 12, "blocks": 2},
    "data.repeats": 4,
    "model.motion": "tps",
    "training.batch_size": 2,
    "training.log_every": 1,
    "training.panel_every": 3,
    "training.checkpoint_every": 2,
    "training.validate_every": 3,
    "training.validation_frames": 5,
    "training.trackers": [],
    # The first epoch leaves out a network, for whose gradients the processes must not wait.
    "training.background_from_epoch": 1,
}
STEPS = 5


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "puppets"
    write_puppets(folder, videos=4, test_videos=1, frames=6, size=32, seed=0, format="strip")
    clips = sorted((folder / "train").glob("*.png"))
    for clip, name in zip(clips, ("a#0", "a#1", "b#0", "c"), strict=True):  # three identities
        clip.rename(clip.with_name(f"{name}.png"))
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("config") / "tiny.yaml")


# Where the CPU is the default device, the processes must connect without being told.
DEVICE = () if is_cpu("auto") else ("--device", "cpu")


def write_config(path: Path, **changes: object) -> Path:
    path.write_text(dump_config(tiny_config(**(SETTINGS | changes))))
    return path


def arguments(config: Path, data: Path, out: Path, *more: object, steps: int = STEPS) -> list[str]:
    folders = ("--config", config, "--data", data, "--out", out)
    words = ["train", *folders, "--steps", steps, *DEVICE, *more]
    return [str(word) for word in words]


@pytest.fixture(scope="module")
def whole(config: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train in two processes, started like those of ``torchrun`` and ``accelerate launch``."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    processes = begin_all(2, out.with_name("words"), command, *arguments(config, data, out))
    assert [process.wait() for process in processes] == [0, 0], processes[0].stderr
    assert processes[0].stdout == f"{out / 'model.safetensors'}\n"
    assert "step 5/5" in processes[0].stderr
    assert processes[1].stdout == ""
    assert "step" not in processes[1].stderr
    return out


def test_two_processes_write_one_log(whole: Path) -> None:
    log = lines(whole / "log.jsonl")
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5]
    assert all("background" not in line for line in log[:3])
    assert all("background" in line for line in log[3:])
    assert [line["step"] for line in lines(whole / "validation.jsonl")] == [3, 5]
    assert load_checkpoint(whole / "model.safetensors").record["processes"] == 2
    assert len(list((whole / "panels").iterdir())) == 2


def test_validation_evaluates_the_saved_model(whole: Path, data: Path) -> None:
    """Processes do not use their own running statistics."""
    pairs = open_validation(data / "test", DataConfig(frame_size=32), frames=5, report=print)
    assert pairs is not None
    model = load_checkpoint(whole / "model.safetensors").model
    batches = read_batches(pairs, pairs.batches(5), workers=0)
    expected = validate(model, batches, Accelerator(cpu=True))
    assert lines(whole / "validation.jsonl")[-1] == {
        "step": STEPS,
        "l1": pytest.approx(expected.l1, rel=1e-5),
        "standing_still": pytest.approx(expected.standing_still, rel=1e-5),
    }


def test_killed_process_ends_the_other_and_the_run_resumes(
    config: Path, data: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    given = arguments(config, data, out, "--resume", "auto")
    first, second = begin_all(2, tmp_path / "words", command, *given)
    wait_for_lines(out / "log.jsonl", 3)
    second.send(signal.SIGKILL)
    assert second.wait() == -signal.SIGKILL
    assert first.wait() == 1
    processes = begin_all(2, tmp_path / "words", command, *given)
    assert [process.wait() for process in processes] == [0, 0], processes[0].stderr
    for log in ("log.jsonl", "validation.jsonl"):
        assert lines(out / log) == lines(whole / log)


@pytest.mark.slow
def test_signal_stops_all_processes_and_torchrun_resumes(
    config: Path, data: Path, whole: Path, tmp_path: Path
) -> None:
    """Both ways to start several processes, in real processes."""
    out = tmp_path / "run"
    together = ["--quiet", *arguments(config, data, out, "--processes", 2, steps=1000)]
    parent = begin(tmp_path / "words", command, *together)
    wait_for_lines(out / "log.jsonl", 1)
    parent.send(signal.SIGTERM)
    assert parent.wait() == 143
    done = len(lines(out / "log.jsonl"))
    assert parent.stdout == ""
    message = f"error: stopped after step {done} of 1000; continue with --resume auto\n"
    assert parent.stderr == message
    assert RunFolder(out).saved_states()[-1].name == f"step-{done:08d}"
    again = arguments(config, data, out, "--resume", "auto", steps=max(STEPS, done + 1))
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "cpabmm_cli"]
    result = subprocess.run(
        [sys.executable, *launch, *again], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{out / 'model.safetensors'}\n"
    assert lines(out / "log.jsonl")[:STEPS] == lines(whole / "log.jsonl")


# On a CPU, batch normalisation uses the batch of one process, so its result for 2 x 2 pairs differs
# from that for 4. These networks use layer normalisation.
WITHOUT_BATCH_NORM = {
    "model.keypoints.backbone": "test_convnext",
    "model.background.backbone": "test_convnext",
    "model.motion": "cpab",
    "training.background_from_epoch": 0,
    "training.clip_largest_entry": None,
    # Dropped candidates are sampled for all processes together.
    "training.candidate_dropout": {"start": 0.5, "maximum": 0.5},
}


def test_gradients_of_two_processes_equal_those_of_one(data: Path, tmp_path: Path) -> None:
    """Two processes with batches of 2 equal one with a batch of 4, and both have the sum."""
    halves = write_config(tmp_path / "2.yaml", **WITHOUT_BATCH_NORM)
    both = write_config(tmp_path / "4.yaml", **WITHOUT_BATCH_NORM, **{"training.batch_size": 4})
    processes = begin_all(2, tmp_path / "words", write_gradients, halves, data, tmp_path)
    expected, _ = first_gradients(both, data, tmp_path)
    assert [process.wait() for process in processes] == [0, 0], processes[0].stderr
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    assert largest > 0.1
    for rank in range(2):
        found = torch.load(tmp_path / f"gradients-{rank}.pt")
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            assert torch.allclose(found[name], gradient, rtol=1e-5, atol=1e-5 * largest), name


def test_two_processes_log_the_loss_of_both(data: Path, tmp_path: Path) -> None:
    halves = write_config(tmp_path / "2.yaml", **WITHOUT_BATCH_NORM)
    both = write_config(tmp_path / "4.yaml", **WITHOUT_BATCH_NORM, **{"training.batch_size": 4})
    two = begin_all(2, tmp_path / "two", command, *arguments(halves, data, tmp_path / "2", steps=1))
    one = begin(tmp_path / "one", command, *arguments(both, data, tmp_path / "4", steps=1))
    assert [process.wait() for process in (*two, one)] == [0, 0, 0], two[0].stderr
    (found,), (expected,) = (lines(tmp_path / name / "log.jsonl") for name in ("2", "4"))
    assert found == pytest.approx(expected, rel=1e-5)


def run_script(script: str, count: int = 2) -> int:
    """Run the script in `count` processes; in each, ``rank`` is its number."""
    begin = "import os, signal, sys, time\nrank = int(os.environ['RANK'])\n"
    return run_together([sys.executable, "-c", begin + script], count)


def test_processes_get_ranks_and_a_common_address(tmp_path: Path) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    script = f"open({str(tmp_path)!r} + f'/{{rank}}', 'w').write(' '.join(map(os.getenv, {names})))"
    assert run_script(script, 3) == 0
    told = [(tmp_path / str(rank)).read_text().split() for rank in range(3)]
    assert [words[:4] for words in told] == [[str(r), str(r), "3", "3"] for r in range(3)]
    assert told[0][4:] == told[1][4:] == told[2][4:]


def test_exit_code_is_that_of_the_process_that_failed() -> None:
    assert run_script(f"sys.exit(5) if rank == 1 else time.sleep({PATIENCE})") == 5


def test_failure_terminates_the_others_and_waits(tmp_path: Path) -> None:
    """The other processes are terminated at once, and have time to clean up."""
    script = f"""
def leave(*_):
    time.sleep(0.3)
    open({str(tmp_path)!r} + f"/{{rank}}", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
if rank == 0:
    time.sleep(0.5)
    sys.exit(4)
time.sleep({PATIENCE})
"""
    assert run_script(script, 3) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2"}


def test_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the launcher's 30 seconds, here one."""
    close = SubprocessContext._close
    monkeypatch.setattr(
        SubprocessContext, "_close", lambda self, death_sig, timeout: close(self, death_sig, 1)
    )
    script = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(0.5 if rank == 0 else {PATIENCE})
sys.exit(4)
"""
    start = time.monotonic()
    assert run_script(script, 3) == 4
    assert time.monotonic() - start < PATIENCE / 2


def test_killed_process_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    script = f"os.kill(os.getpid(), 9) if rank == 1 else time.sleep({PATIENCE})"
    assert run_script(script) == 137
    message = "error: process 1 was killed by signal 9; continue with --resume auto\n"
    assert capfd.readouterr() == ("", message)


def test_earliest_error_is_printed_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Later errors in other processes may be its consequences."""
    script = """
from cpabmm_cli.processes import report_failure
time.sleep(0.2 * (1 - rank))
report_failure(["consequence", "cause"][rank], 1)
time.sleep(0.3 * rank)
sys.exit(1)
"""
    assert run_script(script) == 1
    assert capfd.readouterr() == ("", "error: cause\n")


def test_abort_after_a_lost_connection_is_not_the_cause(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A process may abort when another one fails, and end before it."""
    script = """
from cpabmm_cli.processes import report_failure
if rank == 0:
    report_failure("cause", 3)
    time.sleep(1)
    sys.exit(3)
time.sleep(0.3)
os.abort()
"""
    assert run_script(script) == 3
    assert capfd.readouterr() == ("", "error: cause\n")


def test_error_in_all_processes_is_printed_once(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every process rejects the wrong setting."""
    wrong = arguments(config, tmp_path, tmp_path / "run", "--set", "training.seed=none")
    assert run_together([sys.executable, "-m", "cpabmm_cli", *wrong], 2) == 4
    printed = capfd.readouterr()
    assert printed.err.startswith(f"error: {config}: training.seed")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on_to_all(tmp_path: Path, number: int) -> None:
    """A repeated signal is passed on again."""
    script = f"""
came = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: came.append(number))
open({str(tmp_path)!r} + f"/ready-{{rank}}", "w").close()
while len(came) < 2:
    time.sleep(0.01)
    if came:
        open({str(tmp_path)!r} + f"/asked-{{rank}}", "w").close()
sys.exit(128 + came[1])
"""

    def send() -> None:
        for state in ("ready", "asked"):
            while len(list(tmp_path.glob(f"{state}-*"))) < 2:
                time.sleep(0.01)
            os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()
    assert run_script(script) == 128 + number


def test_orphan_saves_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would write into the folder along with the next run."""
    monkeypatch.setenv("CPABMM_STARTER", str(os.getppid()))
    assert StopOnSignal()() is None
    monkeypatch.setenv("CPABMM_STARTER", "1")
    assert StopOnSignal()() == signal.SIGTERM
