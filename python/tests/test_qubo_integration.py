import base64
import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Ocean needs Python 3.11.
pytest.importorskip("dwave.system")

import numpy
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from everband.chips import Gone, MockChip, Qpu, SolverFailed, redacted
from everband.qubo import create_activity

from sapi import NAME, TOKEN, Sapi
from sealed import ASKED, seal
from test_polling import environment, says_one_line  # noqa: F401
from waiting import until


def request(matrix, reads=100, **more):
    n = len(matrix)
    upper = numpy.asarray(matrix, "<f8")[numpy.triu_indices(n)]
    qubo = base64.b64encode(upper.tobytes()).decode()
    asked = {"schemaVersion": 1, "study": "s", "seal": seal("s", None, ASKED)}
    return {**asked, "variables": n, "qubo": qubo, "reads": reads, "seed": 2**32 - 1, **more}


def random_matrix(n, seed=1):
    return numpy.triu(numpy.random.default_rng(seed).normal(size=(n, n)))


def rows(answer, n):
    packed = numpy.frombuffer(base64.b64decode(answer["samples"]), numpy.uint8)
    count = len(answer["energies"])
    bits = numpy.unpackbits(packed, bitorder="little")
    assert len(packed) == -(-count * n // 8) and not bits[count * n :].any()
    return bits[: count * n].reshape(count, n)


def run(message, chip=None, environment=None, **info):
    environment = environment or ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, **info)
    return environment.run(create_activity((lambda: chip) if chip else None), message)


def check(answer, matrix, reads):
    """Energies belong to the rows, lowest first, and every read is there once."""
    bits = rows(answer, len(matrix)).astype(float)
    energies = numpy.einsum("ri,ij,rj->r", bits, matrix, bits)
    assert numpy.allclose(energies, answer["energies"])
    assert answer["energies"] == sorted(answer["energies"])
    assert sum(answer["occurrences"]) == reads
    return energies


class Service(MockChip):
    """A chip behind a service that counts what is paid for; problems outlive the worker."""

    def __init__(self, delay=0):
        super().__init__(seed=1)
        self.name = "fake"
        self.submitted = []
        self.fetched = 0
        self.delay = delay
        self.cancelled = []

    def submit(self, model, reads, label):
        self.submitted.append((model, reads, label))
        return super().submit(model, reads, label)

    def fetch(self, problem, wait):
        self.fetched += 1
        if self.delay:
            self.delay -= 1
            return None
        return super().fetch(problem, wait)

    def cancel(self, problem):
        self.cancelled.append(problem)


class Lost(BaseException):
    """The worker dies here."""


def test_simulated_finds_the_minimum():
    for seed in range(5):
        matrix = random_matrix(10, seed)
        answer = run(request(matrix, sweeps=200))
        lowest = min(numpy.asarray(x) @ matrix @ x for x in itertools.product((0, 1), repeat=10))
        assert check(answer, matrix, 100)[0] == pytest.approx(lowest)
        assert (answer["qpuSeconds"], answer["solver"]) == (0.0, "SimulatedAnnealingSampler")
        assert run(request(matrix, sweeps=200)) == answer


def test_a_clique_of_120_on_the_mock_with_chains_and_back():
    matrix, chip = random_matrix(120), Service()
    answer = run(request(matrix), chip)
    energies = check(answer, matrix, 100)
    # Far below a random state, whose mean is a quarter of the sum.
    assert energies.mean() < matrix.sum() / 4 - 100
    assert 0 <= answer["chainBreaks"] <= 1 and answer["qpuSeconds"] > 0 and answer["solver"] == "fake"
    ((model, reads, label),) = chip.submitted
    assert reads == 100 and label == "everband/s/test-run/test"
    # A Pegasus graph of 5,640 qubits takes chains of 11 or 12; every chain is held together at 10 * ceil(max |Q|).
    assert 120 * 11 <= len(model) <= 120 * 12
    from everband.qubo import _chains

    chains = _chains(chip, 120)
    assert {len(chain) for chain in chains.values()} <= {11, 12}
    assert len({qubit for chain in chains.values() for qubit in chain}) == len(model)
    graph = chip.graph()
    spins = model.spin
    strength = 10 * numpy.ceil(abs(matrix).max())
    for chain in chains.values():
        held = [pair for pair in itertools.combinations(chain, 2) if graph.has_edge(*pair)]
        assert len(held) >= len(chain) - 1
        assert all(spins.get_quadratic(*pair) == pytest.approx(-strength) for pair in held)


def test_a_retry_polls_the_problem_of_the_heartbeat():
    matrix, chip = random_matrix(6), Service(delay=10**9)
    beats = []

    def heartbeat(*details):
        beats.append(details)
        if details[0]["problem"] is not None:
            raise Lost

    environment = ActivityEnvironment()
    environment.on_heartbeat = heartbeat
    with pytest.raises(Lost):
        run(request(matrix), chip, environment)
    assert beats[0] == ({"problem": None},) and len(chip.submitted) == 1
    chip.delay = 2
    # Another process: nothing of the first attempt is left but its heartbeat.
    chip.find = lambda label: None
    answer = run(request(matrix), chip, attempt=2, heartbeat_details=list(beats[-1]))
    check(answer, matrix, 100)
    assert len(chip.submitted) == 1 and chip.fetched == 3


def test_a_retry_finds_the_problem_by_its_label_when_the_heartbeat_was_lost():
    matrix, chip = random_matrix(6), Service()
    submit = chip.submit

    def dies(*args):
        submit(*args)
        raise Lost

    chip.submit = dies
    with pytest.raises(Lost):
        run(request(matrix), chip)
    chip.submit = submit
    check(run(request(matrix), chip, attempt=2, heartbeat_details=[{"problem": None}]), matrix, 100)
    assert len(chip.submitted) == 1
    # Another activity of the same study has a problem of its own.
    run(request(matrix), chip, attempt=2, activity_id="other")
    assert len(chip.submitted) == 2


def test_a_problem_the_solver_forgot_is_submitted_again_once():
    matrix, chip = random_matrix(4), Service()
    chains = [[qubit] for qubit in range(4)]
    check(run(request(matrix), chip, attempt=2, heartbeat_details=[{"problem": "gone", "chains": chains}]), matrix, 100)
    assert len(chip.submitted) == 1

    def gone(*_args, **_more):
        raise Gone

    chip.fetch = gone
    with pytest.raises(ApplicationError) as caught:
        run(request(matrix), chip)
    assert caught.value.type == "SolverFailed" and len(chip.submitted) == 3


def test_refuses_what_would_exceed_the_limit_before_it_is_submitted():
    matrix, chip = random_matrix(4), Service()
    for estimate, reads, used, most, refused in [
        (None, 100, None, 0.2, False),
        (None, 1000, None, 0.2, True),
        (0.1, 1000, 0.05, 0.2, False),
        (0.1, 1000, 0.15, 0.2, True),
        (0.1, 1000, 5, None, False),
    ]:
        chip.submitted.clear()
        chip.estimate = lambda qubits, reads: estimate
        more = {"qpuSecondsUsed": used, "maxQpuSeconds": most}
        message = request(matrix, reads, **{name: value for name, value in more.items() if value is not None})
        if not refused:
            run(message, chip)
            assert len(chip.submitted) == 1
            continue
        with pytest.raises(ApplicationError) as caught:
            run(message, chip)
        assert caught.value.type == "QpuLimit" and caught.value.non_retryable and chip.submitted == []


def test_tells_the_solver_s_own_errors_from_passing_ones():
    matrix, chip = random_matrix(4), Service()

    def failing(error):
        def submit(*_args):
            raise error

        return submit

    for error, kind, final in [
        (SolverFailed("offline"), "SolverFailed", True),
        (ConnectionError("reset by peer"), "SolverUnreachable", False),
    ]:
        chip.submit = failing(error)
        with pytest.raises(ApplicationError) as caught:
            run(request(matrix), chip)
        assert (caught.value.type, caught.value.non_retryable) == (kind, final)
    with pytest.raises(ApplicationError) as caught:
        run(request(random_matrix(400)), Service())
    assert caught.value.type == "SolverFailed" and "no room" in str(caught.value)


def test_cancelling_cancels_the_problem_and_a_shutdown_leaves_it():
    from temporalio.activity import ActivityCancellationDetails

    for details, cancelled in [
        (ActivityCancellationDetails(cancel_requested=True), 1),
        (ActivityCancellationDetails(worker_shutdown=True), 0),
    ]:
        chip, environment = Service(delay=10**9), ActivityEnvironment()
        environment.on_heartbeat = lambda beat: beat["problem"] and environment.cancel(details)
        with pytest.raises(CancelledError):
            run(request(random_matrix(4)), chip, environment)
        assert len(chip.cancelled) == cancelled


def test_refuses_another_schema():
    with pytest.raises(ApplicationError) as caught:
        run({**request(random_matrix(2)), "schemaVersion": 2})
    assert caught.value.type == "UnsupportedSchema" and not caught.value.non_retryable


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """Nothing of D-Wave's in the environment; their configuration file, empty."""
    for name in [name for name in os.environ if name.startswith("DWAVE_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "dwave.conf"
    file.touch()
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(file))
    return file


@pytest.fixture
def sapi(monkeypatch, nothing):
    """The service on loopback, and an environment that points at it."""
    service = Sapi()
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    monkeypatch.setenv("DWAVE_API_SOLVER", NAME)
    monkeypatch.setenv("DWAVE_API_ENDPOINT", service.endpoint)
    yield service
    service.shutdown()
    service.server_close()


def test_a_qpu_is_asked_once_and_a_new_worker_polls(sapi):
    matrix = random_matrix(6)
    answer = run(request(matrix), Qpu())
    check(answer, matrix, 100)
    assert (answer["solver"], answer["qpuSeconds"]) == (NAME, 0.031)
    (problem,) = sapi.problems.values()
    assert problem["label"] == "everband/s/test-run/test" and problem["params"]["num_reads"] == 100
    # The worker of the first attempt is lost: by heartbeat, then by label, the same answer without a second bill.
    from everband.qubo import _chains

    chip = Qpu()
    chains = _chains(chip, 6)
    beat = {"problem": problem["id"], "chains": [list(chains[variable]) for variable in range(6)]}
    assert run(request(matrix), chip, attempt=2, heartbeat_details=[beat]) == answer
    assert run(request(matrix), Qpu(), attempt=2) == answer
    assert len(sapi.problems) == 1


def test_a_qpu_s_limit_is_judged_by_its_own_timing(sapi):
    # 15 ms to programme, 140 to 150 us a read.
    assert Qpu().estimate(50, 1000) == pytest.approx(0.155)
    with pytest.raises(ApplicationError) as caught:
        run(request(random_matrix(4), 1000, maxQpuSeconds=0.15), Qpu())
    assert caught.value.type == "QpuLimit" and sapi.problems == {}
    run(request(random_matrix(4), 1000, maxQpuSeconds=0.16), Qpu())


def test_a_qpu_s_refusals_are_final_and_lost_connections_are_not(sapi, monkeypatch):
    def failure(chip=None):
        with pytest.raises(ApplicationError) as caught:
            run(request(random_matrix(4)), chip or Qpu())
        return caught.value.type

    chip = Qpu()
    sapi.refusal = "Insufficient remaining solver access time in project Everband"
    assert failure(chip) == "SolverFailed"
    sapi.refusal, sapi.status = None, "FAILED"
    assert failure() == "SolverFailed"
    monkeypatch.setenv("DWAVE_API_TOKEN", "wrong")
    with pytest.raises(SolverFailed, match="Invalid token"):
        Qpu()
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    monkeypatch.setenv("DWAVE_API_SOLVER", "elsewhere")
    with pytest.raises(SolverFailed):
        Qpu()
    chip.graph()
    sapi.shutdown()
    sapi.server_close()
    assert failure(chip) == "SolverUnreachable"


def test_cancelling_cancels_on_the_qpu(sapi):
    from temporalio.activity import ActivityCancellationDetails

    sapi.status = "IN_PROGRESS"
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda beat: beat["problem"] and environment.cancel(
        ActivityCancellationDetails(cancel_requested=True)
    )
    with pytest.raises(CancelledError):
        run(request(random_matrix(4)), Qpu(), environment)
    until(lambda: sapi.cancelled, "a cancelled problem")
    assert sapi.cancelled == ["p1"]


def test_a_qpu_s_token_and_solver_may_stand_in_a_file(sapi, nothing, monkeypatch):
    for name in ("TOKEN", "SOLVER", "ENDPOINT"):
        monkeypatch.delenv(f"DWAVE_API_{name}")
    nothing.write_text(f"[defaults]\ntoken = {TOKEN}\nsolver = {NAME}\nendpoint = {sapi.endpoint}\n")
    assert run(request(random_matrix(4)), Qpu())["solver"] == NAME
    assert redacted(f"X-Auth-Token: {TOKEN}") == "X-Auth-Token: ***"


def worker(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    command = [sys.executable, "-m", "everband.qubo", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    return done.returncode, done.stdout, done.stderr


def test_a_worker_for_a_qpu_does_not_start_without_its_settings(nothing, monkeypatch):
    where = "neither in the environment of this worker nor in D-Wave's configuration file (`dwave config create`)\n"
    assert worker("--solver", "qpu") == (2, "", f"DWAVE_API_TOKEN and DWAVE_API_SOLVER not set, {where}")
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    assert worker("--solver", "qpu") == (2, "", f"DWAVE_API_SOLVER not set, {where}")
    monkeypatch.setenv("DWAVE_PROFILE", "elsewhere")
    code, out, line = worker("--solver", "qpu")
    assert (code, out, line.count("\n")) == (2, "", 1)
    assert line.startswith("D-Wave's configuration cannot be read: ") and TOKEN not in line
    monkeypatch.delenv("DWAVE_PROFILE")
    # It asks for nothing more, and goes on to its server, where nobody answers here.
    monkeypatch.setenv("DWAVE_API_SOLVER", NAME)
    monkeypatch.setenv("DWAVE_API_ENDPOINT", "http://127.0.0.1:1/")
    code, _, line = worker("--solver", "qpu")
    assert code == 1 and line.startswith("no Temporal server answers at 127.0.0.1:1 (connection refused)")


def test_no_message_holds_the_token(nothing, monkeypatch, capfd):
    with pytest.raises(SolverFailed, match="DWAVE_API_TOKEN and DWAVE_API_SOLVER"):
        Qpu()
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    chip = Service()

    def submit(*_args):
        raise ConnectionError("X-Auth-Token: XYZ-secret refused")

    chip.submit = submit
    with pytest.raises(ApplicationError) as caught:
        run(request(random_matrix(4)), chip)
    error = caught.value
    assert "secret" not in f"{error} {error.__cause__!r}" and "***" in str(error)
    assert "secret" not in "".join(capfd.readouterr())


def test_one_line_when_nothing_answers(monkeypatch):
    says_one_line("import everband.qubo; everband.qubo.main()", monkeypatch)
