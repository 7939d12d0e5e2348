import dataclasses
import json
import os
import shutil
import socket
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Callable, Optional

import pytest

from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from everband.checkpoints import Claim, Scope
from everband.processes import Trainers
from everband.worker import create_activity

from sealed import seal
from waiting import until

TRAINER = """
import os, shutil, subprocess, sys, time
import everband

OutOfMemoryError = type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})


def fail(how):
    if how == "kill":
        os.kill(os.getpid(), 9)
    if how == "memory":
        raise MemoryError()
    if how == "memory for real":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
        held = []
        while True:
            held.append(bytearray(1 << 16))
    if how == "torch":
        raise OutOfMemoryError("tried to allocate 2 GiB")
    if how == "cuda":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
    raise RuntimeError("memory of a device")


def write_whole(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def wait_until(holds):
    until = time.monotonic() + 30
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError("waited for 30 s")
        time.sleep(0.01)


for request in everband.requests():
    config = request.config
    state = int(request.checkpoint.read_text()) if request.checkpoint else 0
    for epoch in request.epochs():
        print("epoch", epoch)
        if epoch == config.get("waits_at"):
            if "pid" in config:
                write_whole(config["pid"], str(os.getpid()))
            wait_until(lambda: os.path.exists(config["go"]))
        if epoch == config.get("stops_at"):
            open(config["there"], "w").close()
            wait_until(lambda: request.stopping)
            # The rest of the epoch.
            time.sleep(1)
        if epoch == config.get("crash_at"):
            if "delete" in config:
                shutil.rmtree(config["delete"])
            raise RuntimeError("boom")
        if epoch == config.get("hang_at"):
            # Whoever finds the pids finds the epoch before on disk.
            wait_until((request.checkpoint_dir.parent / "manifest.jsonl").exists)
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
            write_whole(config["pids"], f"{os.getpid()} {child.pid}")
            time.sleep(120)
        if epoch == config.get("raises_at"):
            fail(config["raises"])
        time.sleep(config.get("seconds", 0))
        state += epoch
        loss = float(config["value"]) if epoch == config.get("at") else state
        save = lambda path: path.write_text(str(state))
        request.report(loss=loss, checkpoint=save, **config.get("more", {}))
    time.sleep(config.get("linger", 0))
    if config.get("ends"):
        sys.exit(0)
"""


ONE = {"id": "one", "incarnation": 0}
TRAINER_OF = {"type": "activity", "taskQueue": "q", "activity": "trainSegment", "settings": None}
STUDY = Path("state", "studies", "s")
FIRST = STUDY / "checkpoints" / "t" / "a1-7692c3ad3540.0"


def segment(config=None, start=0, to=3, training=None, **more):
    trial = {"id": "t", "bracket": "b0", "index": 0, "globalIndex": 0, "config": config or {}, "seed": 1}
    return {
        **{"schemaVersion": 2, "study": "s", "trial": trial, "metric": "loss", "from": start, "to": to},
        **{"training": {"maxLosses": 3, "epochTimeoutSeconds": 60, "graceSeconds": 5, **(training or {})}},
        **{"trainer": TRAINER_OF},
        **more,
        "identity": {**(more.get("identity", ONE) or {}), "seal": seal("s", TRAINER_OF)},
    }


@pytest.fixture
def trainers(tmp_path: Path, monkeypatch):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    with Trainers([sys.executable, str(script)]) as trainers:
        yield trainers


@pytest.fixture
def run(tmp_path: Path, trainers):
    def run(message, environment=None):
        return (environment or ActivityEnvironment()).run(create_activity(trainers, tmp_path / "state"), message)

    return run


class Clock:
    """Stands still until something holds, but for 30 s at most."""

    def __init__(self, holds: Callable[[], bool]) -> None:
        self.since: Optional[float] = None
        self._holds = holds
        self._limit = time.monotonic() + 30

    def monotonic(self) -> float:
        if self.since is None and (self._holds() or time.monotonic() > self._limit):
            self.since = time.monotonic()
        return 0.0 if self.since is None else time.monotonic() - self.since


@pytest.fixture
def clock_from(monkeypatch):
    """Gives the worker a clock that stands still until something holds: how long an interpreter takes to start, and a
    trainer to come to where it hangs, is none of its seconds."""

    def clock_from(holds: Callable[[], bool]) -> Clock:
        clock = Clock(holds)
        monkeypatch.setattr("everband.worker.time", clock)
        return clock

    return clock_from


def claim_of(tmp_path: Path, config=None) -> Claim:
    return Claim(Scope.of(tmp_path / "state", segment(config)), 3)


def fails_as(run, message, kind: str, non_retryable: bool) -> str:
    with pytest.raises(ApplicationError) as caught:
        run(message)
    assert (caught.value.type, caught.value.non_retryable) == (kind, non_retryable)
    return str(caught.value)


def delete(folder: Path) -> None:
    """Whoever still writes there may be faster than one that deletes."""
    until = time.monotonic() + 30
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < until)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # Without a parent that asks for it, a killed process stays in the table.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def wait_for_the_end_of(pids: list[int]) -> None:
    """A killed process leaves the table a moment after the signal, on a busy machine later."""
    until(lambda: all(gone(pid) for pid in pids), f"the end of {pids}")


def test_trains_and_resumes(run, trainers) -> None:
    assert run(segment()) == {"outcome": "completed", "values": [1, 3, 6]}
    (kept,) = trainers._idle
    assert run(segment(start=3, to=5)) == {"outcome": "completed", "values": [10, 15]}
    assert trainers._idle == [kept]
    # Finished segments are answered without training.
    kept.kill()
    assert run(segment(start=3, to=5)) == {"outcome": "completed", "values": [10, 15]}


def test_an_idle_trainer_that_has_gone_is_replaced(run, trainers) -> None:
    run(segment())
    trainers._idle[0].kill()
    assert run(segment(start=3, to=4)) == {"outcome": "completed", "values": [10]}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_divergence_is_a_plain_result(run, value: str) -> None:
    diverged = {"outcome": "diverged", "values": [1], "nonFinite": value}
    assert run(segment({"at": 2, "value": value})) == diverged
    assert run(segment({"at": 2, "value": value})) == diverged


def test_a_crash_is_a_failed_trial(run, trainers) -> None:
    with pytest.raises(ApplicationError) as caught:
        run(segment({"crash_at": 2}))
    assert caught.value.type == "TrialFailed" and caught.value.non_retryable
    assert str(caught.value).startswith(
        "TrialFailed: the trainer ended with exit code 1 after epoch 1, asked for epochs 1 to 3\n"
    )
    assert "epoch 2" in str(caught.value) and "RuntimeError: boom" in str(caught.value)
    assert trainers._idle == []


@pytest.mark.parametrize("epochs", [2, 3])
def test_what_a_trainer_says_right_before_its_end_is_heard(run, monkeypatch, tmp_path: Path, epochs: int) -> None:
    go, pid = tmp_path / "go", tmp_path / "pid"
    look = Claim.fenced.fget

    def fenced(claim: Claim):
        answer = look(claim)
        if pid.exists() and not go.exists():
            # All that it says, and its end, come between the look at the disk and the next one at the trainer.
            go.touch()
            until(lambda: gone(int(pid.read_text())), "the end of the trainer")
        return answer

    monkeypatch.setattr(Claim, "fenced", property(fenced))
    config = {"pid": str(pid), "waits_at": 1, "go": str(go), "raises_at": 3, "raises": "kill"}
    if epochs == 2:
        assert run(segment({**config, "ends": True}, to=2)) == {"outcome": "completed", "values": [1, 3]}
    else:
        assert failed(run, segment(config)) == [[1, 3], None, {"kind": "crash"}]


def test_a_hang_is_a_failed_trial_and_ends_with_all_its_processes(run, clock_from, tmp_path: Path) -> None:
    config = {"hang_at": 2, "pids": str(tmp_path / "pids")}
    clock = clock_from((tmp_path / "pids").exists)
    with pytest.raises(ApplicationError) as caught:
        # One that hangs has no grace.
        run(segment(config, training={"epochTimeoutSeconds": 2, "graceSeconds": 60}))
    assert 2 <= time.monotonic() - clock.since < 30
    assert caught.value.type == "TrialFailed" and caught.value.non_retryable
    assert str(caught.value).startswith("TrialFailed: hung: no epoch within 2 s after epoch 1\n")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    wait_for_the_end_of(pids)
    # An orderly end, no lost worker, and the next attempt goes on from epoch 1.
    claim = claim_of(tmp_path, config)
    assert (tmp_path / FIRST / "released").exists()
    assert (claim.start, claim.values) == (1, [1])


def test_a_trainer_that_goes_on_after_its_last_epoch_is_not_waited_for(run, trainers) -> None:
    since = time.monotonic()
    assert run(segment({"linger": 120}, training={"graceSeconds": 1}))["outcome"] == "completed"
    assert time.monotonic() - since < 30 and trainers._idle == []


def test_cancellation_ends_after_the_epoch(run, tmp_path: Path) -> None:
    environment = ActivityEnvironment()
    there = tmp_path / "there"
    # The third epoch is in progress when the second is on disk and the cancellation comes.
    ripe = lambda details: details["epoch"] == 2 and there.exists()
    environment.on_heartbeat = lambda details: environment.cancel() if ripe(details) else None
    config = {"stops_at": 3, "there": str(there)}
    with pytest.raises(CancelledError):
        run(segment(config, to=50, training={"graceSeconds": 30}), environment)
    claim = claim_of(tmp_path, config)
    assert claim.start == len(claim.values) == 3
    assert (tmp_path / FIRST / "released").exists()


def test_who_does_not_stop_within_the_grace_is_killed(run, tmp_path: Path) -> None:
    environment = ActivityEnvironment()
    pids_file = tmp_path / "pids"
    environment.on_heartbeat = lambda details: environment.cancel() if pids_file.exists() else None
    config = {"hang_at": 2, "pids": str(pids_file)}
    with pytest.raises(CancelledError):
        run(segment(config, training={"graceSeconds": 1}), environment)
    # The worker waits for the trainer alone; what the trainer started goes with the same signal, in its own time.
    wait_for_the_end_of([int(pid) for pid in pids_file.read_text().split()])


def test_a_shutdown_is_no_cancellation(run) -> None:
    # Which would end the trial: another worker is to go on.
    environment = ActivityEnvironment()
    shutdown = ActivityCancellationDetails(worker_shutdown=True)
    environment.on_heartbeat = lambda details: environment.cancel(shutdown) if details["epoch"] == 1 else None
    with pytest.raises(ApplicationError) as caught:
        run(segment({"seconds": 0.3}, to=50), environment)
    assert (caught.value.type, caught.value.non_retryable) == ("WorkerShutdown", False)


def test_an_attempt_that_was_overtaken_ends(run, tmp_path: Path) -> None:
    config = {"hang_at": 2, "pids": str(tmp_path / "pids")}

    def overtake() -> None:
        until((tmp_path / "pids").exists, "the second epoch")
        claim_of(tmp_path, config)

    newer = threading.Thread(target=overtake)
    newer.start()
    with pytest.raises(ApplicationError) as caught:
        run(segment(config))
    assert (caught.value.type, caught.value.non_retryable) == ("Fenced", False)
    newer.join()


def test_asks_again_for_another_schema_ever_more_slowly(trainers, tmp_path: Path) -> None:
    for attempt, seconds in ((1, 1), (3, 4), (50, 30)):
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=attempt)
        with pytest.raises(ApplicationError) as caught:
            environment.run(create_activity(trainers, tmp_path / "state"), segment(schemaVersion=5))
        assert (caught.value.type, caught.value.non_retryable) == ("UnsupportedSchema", False)
        assert caught.value.next_retry_delay == timedelta(seconds=seconds)
        assert "reads schemaVersion 2, 3 and 4, the request has 5" in str(caught.value)


def test_refuses_an_identity_and_a_source_that_make_no_sense(run) -> None:
    donor = {"trial": "donor", "epoch": 3}
    assert "identity must be" in fails_as(run, segment(identity=None), "InvalidStudy", True)
    assert "the request has 3" in fails_as(run, segment(start=2, source=donor), "InvalidStudy", True)
    third = segment(start=2, source={**donor, "epoch": 0}, schemaVersion=3, shift=0)
    assert "1 or more; the request has 0" in fails_as(run, third, "InvalidStudy", True)
    assert "shift must be" in fails_as(run, segment(schemaVersion=3, shift=0.5), "InvalidStudy", True)
    for metrics in (None, [], [1], "latency"):
        fourth = segment(schemaVersion=4, shift=0, metrics=metrics)
        assert "metrics must be a list of names" in fails_as(run, fourth, "InvalidStudy", True)


def test_answers_with_the_further_metrics_that_a_study_names(run) -> None:
    named = {"schemaVersion": 4, "shift": 0, "metrics": ["latency"]}
    config = {"more": {"latency": 12.5, "accuracy": 1}}
    answer = {"outcome": "completed", "values": [1, 3, 6], "metrics": {"latency": [12.5, 12.5, 12.5]}}
    assert run(segment(config, **named)) == answer
    # Known by now, and the next ones after it.
    assert run(segment(config, **named)) == answer
    assert run(segment(config, 3, 5, **named))["metrics"] == {"latency": [12.5, 12.5]}
    infinite = segment({"more": {"latency": float("inf")}, "value": "nan", "at": 3}, **named)
    diverged = {"outcome": "diverged", "values": [1, 3], "metrics": {"latency": [None, None]}, "nonFinite": "nan"}
    assert run(infinite) == diverged


def test_fails_where_a_metric_that_the_study_names_is_missing(run) -> None:
    named = {"schemaVersion": 4, "shift": 0, "metrics": ["latency"]}
    message = fails_as(run, segment({"more": {"accuracy": 1}}, **named), "TrialFailed", True)
    assert "expected loss, latency of epoch 1" in message


def test_a_deleted_study_does_not_write_into_the_new_one_of_its_name(trainers, tmp_path: Path) -> None:
    outcome = []
    begun = threading.Event()

    def run(message, seconds: int):
        environment = ActivityEnvironment()
        environment.on_heartbeat = lambda details: begun.set() if details["epoch"] else None
        scheduled = datetime.fromtimestamp(seconds, timezone.utc)
        environment.info = dataclasses.replace(environment.info, scheduled_time=scheduled)
        return environment.run(create_activity(trainers, tmp_path / "state"), message)

    def old() -> None:
        try:
            outcome.append(run(segment({"seconds": 0.7}, to=100), 10))
        except ApplicationError as error:
            outcome.append((error.type, error.non_retryable))

    frozen = threading.Thread(target=old)
    frozen.start()
    assert begun.wait(30)
    delete(tmp_path / STUDY)
    two = {"id": "two", "incarnation": 0}
    assert run(segment({"seconds": 0.1}, identity=two), 20)["values"] == [1, 3, 6]
    frozen.join()
    assert outcome == [("Fenced", False)]
    # One that wakes before it has begun.
    with pytest.raises(ApplicationError, match=r"is two \(incarnation 0\) by now"):
        run(segment(), 10)
    assert os.listdir(tmp_path / STUDY / "checkpoints" / "t") == ["a1-3fc4ccfe7458.0"]


def test_a_trainer_whose_folder_is_taken_has_not_failed(run, tmp_path: Path) -> None:
    environment, go = ActivityEnvironment(), tmp_path / "go"
    # The worker writes nothing more while the folder goes.
    environment.on_heartbeat = lambda details: go.touch() if details["epoch"] == 1 else None
    config = {"waits_at": 2, "go": str(go), "crash_at": 2, "delete": str(tmp_path / STUDY)}
    said = fails_as(lambda message: run(message, environment), segment(config), "Fenced", False)
    assert "no folder any more" in said


def test_starts_from_a_donor_that_was_held(run, tmp_path: Path) -> None:
    donor = {**segment()["trial"], "id": "donor"}
    run(segment(to=2, hold=True, trial=donor))
    # Answered at once, and held all the same.
    shutil.rmtree(tmp_path / STUDY / "held")
    run(segment(to=2, hold=True, trial=donor))
    shutil.rmtree(tmp_path / STUDY / "checkpoints" / "donor")
    exploit = segment(start=2, to=4, source={"trial": "donor", "epoch": 2})
    assert run(exploit) == run(exploit) == {"outcome": "completed", "values": [6, 10]}
    assert run(segment(start=4, to=5))["values"] == [15]
    gone = segment(start=2, source={"trial": "nobody", "epoch": 2})
    assert "trial nobody's checkpoint of epoch 2" in fails_as(run, gone, "TrialFailed", True)


def test_counts_its_own_epochs_from_a_checkpoint_that_holds_another_number_of_them(run) -> None:
    run(segment(to=5, hold=True, trial={**segment()["trial"], "id": "donor"}))
    third = {"schemaVersion": 3, "shift": 3}
    exploit = segment(start=2, to=4, source={"trial": "donor", "epoch": 5}, **third)
    # Of the epochs 1 to 5 of the donor it has 15, and its trainer adds 6 and 7.
    assert run(exploit) == run(exploit) == {"outcome": "completed", "values": [21, 28]}
    assert run(segment(start=4, to=5, **third))["values"] == [36]


def test_every_number_is_kept(run, tmp_path: Path) -> None:
    since = time.monotonic()
    run(segment({"more": {"accuracy": 0.5, "gradient": float("nan"), "norm": float("inf")}}, to=2))
    took = time.monotonic() - since
    lines = (tmp_path / STUDY / "epochs" / "t.jsonl").read_text().splitlines()
    for epoch, line in enumerate(map(json.loads, lines), 1):
        assert (line["epoch"], line["attempt"], line["identity"]) == (epoch, 1, ONE)
        assert line["host"] == socket.gethostname() and 0 <= line["seconds"]
        assert line["values"] == {"accuracy": 0.5, "gradient": None, "norm": None}
    assert len(lines) == 2 and sum(json.loads(line)["seconds"] for line in lines) <= took


def test_more_numbers_than_are_kept_are_the_trainers_failure(run) -> None:
    many = {f"n{i}": i for i in range(65)}
    assert "epoch 1 has 65 numbers beside the objective; at most 64" in fails_as(
        run, segment({"more": many}), "TrialFailed", True
    )


def test_falls_back_to_the_older_checkpoint(run, tmp_path: Path) -> None:
    run(segment())
    (tmp_path / FIRST / "files" / "epoch-3").write_text("7")
    assert claim_of(tmp_path).start == 2


def test_trains_only_what_is_sealed(run, tmp_path: Path) -> None:
    sound = segment()
    for wrong in (
        {"identity": ONE},
        {"identity": {**ONE, "seal": seal("other", TRAINER_OF)}},
        {"identity": {**ONE, "seal": seal("s", {**TRAINER_OF, "settings": 1})}},
        {"study": "other"},
        {"trainer": {**TRAINER_OF, "taskQueue": "other"}},
    ):
        assert "everband start" in fails_as(run, {**sound, **wrong}, "NotSealed", True)
    assert not (tmp_path / "state").exists()
    assert run(sound)["outcome"] == "completed"


def test_names_what_is_wrong_with_a_request_whatever_it_is(run) -> None:
    for garbage in (None, 7, "text", []):
        assert "mapping" in fails_as(run, garbage, "InvalidStudy", True)
    for key in ("trial", "training", "trainer", "study", "metric", "from", "to", "identity"):
        for value in (None, 7.5, "" if key == "metric" else "../x", [], {}):
            with pytest.raises(ApplicationError) as caught:
                run({**segment(), key: value})
            assert caught.value.type in ("InvalidStudy", "NotSealed"), (key, value)


def test_writes_and_removes_nothing_behind_a_symbolic_link(run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "state/studies").mkdir(parents=True)
    (tmp_path / "state/studies/s").symlink_to(elsewhere)
    assert "symbolic link" in fails_as(run, segment(), "InvalidStudy", True)
    assert list(elsewhere.iterdir()) == []


#: A trainer that reads a request and prints what it is told to.
PRINTER = """
import json, os, sys
config = json.loads(sys.stdin.readline())["config"]
for text, times in config["prints"]:
    for _ in range(times):
        os.write(1, text.encode("utf-8", "surrogatepass"))
        if "also" in config:
            os.write(2, text.encode("utf-8", "surrogatepass"))
if "said" in config:
    open(config["said"], "w").close()
sys.stdin.readline()
"""


@pytest.fixture
def say(tmp_path: Path):
    """Runs a trainer that prints the pieces it is given, each as often as it says."""

    def say(*prints, training=None, **config):
        with Trainers([sys.executable, "-c", PRINTER]) as trainers:
            train = create_activity(trainers, tmp_path / "state")
            config = {"prints": [piece if isinstance(piece, tuple) else (piece, 1) for piece in prints], **config}
            timeouts = {"graceSeconds": 1, **(training or {})}
            return ActivityEnvironment().run(train, segment(config, to=2, training=timeouts))

    return say


def epoch(number: int, **more) -> str:
    return json.dumps({"epoch": number, "loss": number, **more}) + "\n"


LINE = "a line of a log that goes on and on, a hundred bytes of it, of which nobody wants to read any more\n"


def test_output_delays_nothing(say) -> None:
    flood = (LINE * 600, 200)
    assert say(flood, epoch(1), flood, epoch(2), also=True)["values"] == [1, 2]


def test_output_hides_no_hang(say, clock_from, tmp_path: Path) -> None:
    clock_from((tmp_path / FIRST / "manifest.jsonl").exists)
    with pytest.raises(ApplicationError, match="hung: no epoch within 2 s after epoch 1"):
        say(epoch(1), (LINE * 600, 10**6), also=True, training={"epochTimeoutSeconds": 2})


def test_a_line_that_is_too_long_is_none_of_the_protocol(say, clock_from, tmp_path: Path) -> None:
    long = '{"epoch":1,"x":"' + "x" * (1 << 20)
    assert say(long + epoch(1), epoch(1), epoch(2))["values"] == [1, 2]
    # And so it is when it never ends.
    said = tmp_path / "said"
    clock_from(said.exists)
    with pytest.raises(ApplicationError, match="hung: no epoch within 2 s after epoch 0"):
        say((long, 100), epoch(1), said=str(said), training={"epochTimeoutSeconds": 2})


@pytest.mark.parametrize(
    "line",
    [
        '{"epoch":1,"loss":' + "[" * 400_000 + "]" * 400_000 + "}\n",
        '{"epoch":1,"loss":' + "[" * 900 + "]" * 900 + "}\n",
        '{"epoch":' + "9" * 1_000_000 + ',"loss":1}\n',
        epoch(1, checkpoint=5),
        epoch(1, checkpoint="a\0b"),
        epoch(1, checkpoint="\ud800"),
        epoch(1, checkpoint="x" * 100_000),
    ],
    ids=["nested", "nested just so", "many digits", "a number", "a zero", "half a character", "long"],
)
def test_a_line_that_makes_no_sense_is_the_trainers_failure(say, line: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        say(line, epoch(3), training={"epochTimeoutSeconds": 20})
    assert (caught.value.type, caught.value.non_retryable) == ("TrialFailed", True)
    assert len(caught.value.message) < 20_000
    caught.value.message.encode()


def test_a_number_with_many_digits_is_infinite(say) -> None:
    diverged = {"outcome": "diverged", "values": [1], "nonFinite": "inf"}
    assert say(epoch(1), '{"epoch":2,"loss":' + "9" * 400_000 + "}\n") == diverged


def test_a_name_that_is_no_text_is_kept_as_it_was_said(say, tmp_path: Path) -> None:
    assert say(epoch(1, **{"\ud800": 1}), epoch(2))["outcome"] == "completed"
    lines = (tmp_path / STUDY / "epochs" / "t.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["values"] == {"\ud800": 1}


def test_prints_what_trainers_print_harmless_and_cut(say, capfd) -> None:
    say("\x1b[2Jgone\n", "x" * 5000 + "\n", epoch(1), epoch(2))
    printed = capfd.readouterr().err
    assert "\\u001b[2Jgone\n" in printed and "\x1b" not in printed
    assert "x" * 2000 + "...\n" in printed


def test_messages_that_nobody_waits_for_keep_a_trainer_waiting(say) -> None:
    # The trainer is ready, a million times.
    assert say(epoch(1), epoch(2), ('{"ready":true}\n' * 1000, 1000))["values"] == [1, 2]


def failed(run, message) -> list:
    """The details of the failure."""
    with pytest.raises(ApplicationError) as caught:
        run(message)
    assert caught.value.type == "TrialFailed"
    return list(caught.value.details)


def test_says_of_which_kind_a_failure_is_and_what_was_trained_before(run, clock_from, tmp_path: Path) -> None:
    assert failed(run, segment({"crash_at": 3}, reset=1)) == [[1, 3], None, {"kind": "crash"}]
    # A signal alone does not say that memory was short.
    assert failed(run, segment({"raises": "kill", "raises_at": 3}, reset=2)) == [[1, 3], None, {"kind": "crash"}]
    hanging = {"hang_at": 2, "pids": str(tmp_path / "pids")}
    timeout = {"epochTimeoutSeconds": 2}
    clock_from((tmp_path / "pids").exists)
    assert failed(run, segment(hanging, training=timeout, reset=3)) == [[1], None, {"kind": "timeout"}]
    for reset, error in enumerate(["memory", "torch", "cuda"], 4):
        details = failed(run, segment({"raises": error, "raises_at": 3}, reset=reset))
        assert details == [[1, 3], None, {"kind": "oom"}], error
    assert failed(run, segment({"raises": "other", "raises_at": 3}, reset=8)) == [[1, 3], None, {"kind": "crash"}]
    named = {"schemaVersion": 4, "shift": 0, "metrics": ["latency"], "reset": 9}
    metrics = {"more": {"latency": 2}, "crash_at": 2}
    assert failed(run, segment(metrics, **named)) == [[1], {"latency": [2]}, {"kind": "crash"}]
    # Of the epochs after those that the request begins with.
    run(segment({"crash_at": 4}, reset=10))
    assert failed(run, segment({"crash_at": 4}, start=2, to=5, reset=10)) == [[6], None, {"kind": "crash"}]


def test_says_what_a_trainer_says(trainers, run, tmp_path: Path) -> None:
    script = tmp_path / "trainer.py"
    line = '{"error": "no data set", "kind": "timeout"}'
    script.write_text(f"input(); print('{line}', flush=True); input()")
    with pytest.raises(ApplicationError) as caught:
        run(segment())
    assert "the trainer says: no data set" in str(caught.value)
    assert caught.value.details[2] == {"kind": "timeout"}


def test_what_is_short_of_memory_can_still_say_so(run) -> None:
    # The limit is the process's own: it takes what there is and holds it when it fails.
    message = segment({"raises": "memory for real", "raises_at": 2})
    with pytest.raises(ApplicationError) as caught:
        run(message)
    assert caught.value.details[2] == {"kind": "oom"}
    assert "the trainer says: MemoryError" in str(caught.value)


def test_a_crash_in_the_first_epoch_of_a_process_that_is_kept_is_a_failure(run, trainers) -> None:
    run(segment())
    (kept,) = trainers._idle
    with pytest.raises(ApplicationError) as caught:
        run(segment({"crash_at": 4}, start=3, to=5, reset=None))
    assert "exit code 1 after epoch" in str(caught.value)
    assert not kept.alive


def test_one_that_has_ended_before_it_was_asked_is_replaced_and_counts_for_nothing(run, trainers, monkeypatch) -> None:
    run(segment())
    (kept,) = trainers._idle
    kept.kill()
    # Seen as alive a moment ago.
    monkeypatch.setattr(type(kept), "alive", property(lambda one: one is kept or one._process.poll() is None))
    assert run(segment(start=3, to=4)) == {"outcome": "completed", "values": [10]}


def test_a_trial_that_has_lost_its_worker_twice_beside_others_is_tried_alone(trainers, tmp_path: Path) -> None:
    go = {name: tmp_path / f"{name} may go on" for name in ("first", "t")}
    waits = {name: {"waits_at": 2, "go": str(place)} for name, place in go.items()}
    suspect = segment(waits["t"])
    for _ in range(2):
        Claim(Scope.of(tmp_path / "state", suspect), 3, alone=False)

    def run(message, began):
        environment = ActivityEnvironment()
        environment.on_heartbeat = lambda details: began.append((details["epoch"], time.monotonic()))
        return environment.run(create_activity(trainers, tmp_path / "state"), message)

    def note(trial: str) -> bool:
        folder = tmp_path / STUDY / "checkpoints" / trial
        (last,) = list(folder.iterdir())[-1:] if trial != "t" else [folder / "a3-7692c3ad3540.0"]
        return json.loads((last / "claim.json").read_text())["alone"]

    beats: dict[str, list] = {"first": [], "t": [], "third": []}
    room, threads = trainers.room, []
    for name, message, place in (
        ("first", segment(to=4, trial={**suspect["trial"], "id": "first", "config": waits["first"]}), room.inside),
        ("t", suspect, room._waiting),
        ("third", segment(to=2, trial={**suspect["trial"], "id": "third", "config": {}}), room._waiting),
    ):
        threads.append(threading.Thread(target=run, args=(message, beats[name])))
        threads[-1].start()
        until(lambda: any(stay.of == f"s {name}" for stay in list(place)), f"{name} in the room or before it")
    until(lambda: len(beats["t"]) >= 2, "a heartbeat of one that waits")
    go["first"].touch()
    until(lambda: any(epoch == 1 for epoch, _ in beats["third"]), "an epoch of the third")
    go["t"].touch()
    for thread in threads:
        thread.join()
    epochs = {name: dict(reversed(all)) for name, all in beats.items()}
    # It has waited for the first, with heartbeats, and the third for its first epoch.
    assert epochs["t"][1] > epochs["first"][4]
    assert len([epoch for epoch, _ in beats["t"] if epoch == 0]) >= 2
    assert epochs["third"][1] > epochs["t"][1]
    assert (note("first"), note("t"), note("third")) == (True, False, False)
