"""Worker process whose jobs may misbehave in any way."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from apps.serving import messages
from apps.serving.job_limits import JobLimits
from apps.serving.messages import LONGEST_LINE, Update
from apps.serving.worker import JobRefusedError, Worker, WorkerError

PROGRAM = "support.misbehaving_worker"
LIMITS = JobLimits(memory=600_000_000, cpu_seconds=60, seconds=60)


class Anything(BaseModel):
    """A result with any fields."""

    model_config = ConfigDict(extra="allow")


class Counted(BaseModel):
    """Result of "count"."""

    counted: Literal[4]
    process: int


def started(limits: JobLimits = LIMITS) -> Worker:
    return Worker(PROGRAM, {"greeting": "hello"}, limits)


@pytest.fixture(autouse=True)
def find_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = started()
    yield made
    made.close()


def result(worker: Worker, job: str, **arguments: Any) -> dict[str, Any]:
    *_, found = worker.run(job, arguments, Anything)
    assert isinstance(found, Anything)
    return found.model_dump()


def assert_it_works(worker: Worker) -> None:
    assert result(worker, "count", to=3)["counted"] == 3


def test_a_job_reports_progress_and_its_result(worker: Worker) -> None:
    *updates, done = worker.run("count", {"to": 50}, Anything)
    assert all(isinstance(update, Update) for update in updates)
    shares = [update.share for update in updates if isinstance(update, Update)]
    assert shares == sorted(shares)
    assert isinstance(done, Anything) and done.model_dump()["counted"] == 50
    assert worker.facts == {"greeting": "hello"}


def test_one_process_runs_several_jobs(worker: Worker) -> None:
    assert result(worker, "count", to=1)["process"] == result(worker, "count", to=1)["process"]


def test_a_refusal_keeps_the_process(worker: Worker) -> None:
    before = result(worker, "count", to=1)["process"]
    with pytest.raises(JobRefusedError, match=r"^photo.jpg is too large$"):
        result(worker, "refuse")
    assert result(worker, "count", to=1)["process"] == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ("fail", "cannot be processed"),
        ("crash", "crashed the program that reads it"),
        ("exit", "crashed the program that reads it"),
        ("end as out of memory", "needed more memory than this machine has"),
        ("answer nonsense", "crashed the program that reads it"),
        ("answer at length", "crashed the program that reads it"),
        ("answer a lie", "crashed the program that reads it"),
    ],
)
def test_a_crash_gets_one_sentence(worker: Worker, job: str, sentence: str) -> None:
    with pytest.raises(WorkerError, match=sentence):
        result(worker, job)
    assert_it_works(worker)


@pytest.mark.slow
@pytest.mark.parametrize("job", ["take memory", "take memory of a file"])
def test_a_job_that_takes_too_much_memory_is_refused(worker: Worker, job: str) -> None:
    with pytest.raises((WorkerError, JobRefusedError), match="memory"):
        result(worker, job)
    assert_it_works(worker)


def test_the_system_limits_a_process_before_its_first_picture(worker: Worker) -> None:
    found = result(worker, "limits")
    assert found["memory"] == [LIMITS.memory] * 2
    assert found["core"] == [0, 0]
    assert found["niceness"] > min(os.getpriority(os.PRIO_PROCESS, 0), 18)
    assert found["oom_score"] == 1000


@pytest.mark.slow
@pytest.mark.parametrize("job", ["compute for ever", "sleep for ever"])
def test_an_endless_job_is_killed(job: str) -> None:
    worker = started(JobLimits(memory=LIMITS.memory, cpu_seconds=60, seconds=2))
    with pytest.raises(WorkerError, match=r"^took longer than 2 seconds;"):
        result(worker, job)
    assert_it_works(worker)
    worker.close()


@pytest.mark.slow
def test_a_job_over_its_cpu_time_is_killed() -> None:
    worker = started(JobLimits(memory=LIMITS.memory, cpu_seconds=1, seconds=60))
    with pytest.raises(WorkerError, match=r"^took more than 1 seconds of CPU time"):
        result(worker, "compute for ever")
    worker.close()


def test_closing_a_job_ends_its_process_at_once(worker: Worker) -> None:
    first = result(worker, "count", to=1)["process"]
    running = worker.run("compute for ever", {}, Anything)
    next(running)
    running.close()
    assert not psutil.pid_exists(first)
    assert_it_works(worker)


def test_output_of_libraries_does_not_mix_with_messages(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    assert result(worker, "print") == {}
    assert capfd.readouterr() == ("", "")


def test_the_environment_has_no_secrets(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANY_OTHER"):
        monkeypatch.setenv(name, "secret")
    found = result(worker, "environment")
    assert "secret" not in found.values()
    assert Path(found["TMPDIR"]).is_dir()


def test_closing_leaves_no_process_and_no_folder(worker: Worker) -> None:
    found, process = result(worker, "environment"), result(worker, "count", to=1)["process"]
    worker.close()
    assert not psutil.pid_exists(process)
    assert not Path(found["TMPDIR"]).exists()


@pytest.mark.slow
def test_a_worker_ends_with_the_process_that_started_it() -> None:
    program = (
        "import os; from apps_serving import test_serving_worker as tests; worker = tests.started();"
        "print(tests.result(worker, 'count', to=1)['process'], flush=True);"
        "os._exit(0)"  # exit without closing the worker, as if killed
    )
    root = Path(__file__).parents[2]
    printed = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    ends = time.monotonic() + 30
    while psutil.pid_exists(int(printed.stdout)) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not psutil.pid_exists(int(printed.stdout))


def test_an_oserror_is_raised_again_in_the_serving_process(worker: Worker) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        result(worker, "open what is gone")
    assert caught.value.filename == "/gone.jpg"
    assert_it_works(worker)


def test_an_invalid_result_kills_the_process(worker: Worker) -> None:
    before = result(worker, "count", to=4)["process"]
    assert isinstance([*worker.run("count", {"to": 4}, Counted)][-1], Counted)
    with pytest.raises(WorkerError, match="cannot be processed"):
        list(worker.run("count", {"to": 5}, Counted))
    assert result(worker, "count", to=4)["process"] != before


@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode() + b"\n"))
def test_any_line_is_a_message_or_a_value_error(line: bytes) -> None:
    try:
        messages.from_line(line)
    except ValueError:
        return
    assert len(line) <= LONGEST_LINE
