"""Quantum annealers as this package sees them: a graph of qubits, problems with an id, answers to be fetched."""

from __future__ import annotations

import os
import uuid
from typing import Any, Mapping, Optional, Protocol

import dimod
from dwave.system.testing import MockDWaveSampler


class Gone(Exception):
    """The solver does not know the problem."""


class SolverFailed(Exception):
    """The solver's own failure: asking again would not help."""


class Chip(Protocol):
    name: str

    def graph(self) -> Any:
        """The working qubits and couplers, a networkx graph with the attributes of its topology."""

    def estimate(self, qubits: int, reads: int) -> Optional[float]:
        """Seconds of access time a problem will take; None where the solver publishes no timing."""

    def submit(self, model: dimod.BinaryQuadraticModel, reads: int, label: str) -> str:
        """Hands over a model on the chip's own qubits; the id of the problem."""

    def find(self, label: str) -> Optional[str]:
        """The problem submitted under this label, unless it failed or was cancelled."""

    def fetch(self, problem: str, wait: float) -> Optional[dimod.SampleSet]:
        """The answer, None when it is not there within `wait` seconds. Raises Gone."""

    def cancel(self, problem: str) -> None: ...


class MockChip:
    """Ocean's own stand-in for a chip of Pegasus topology (5,640 qubits), which descends from random states."""

    name = "MockDWaveSampler pegasus 16"

    def __init__(self, seed: Optional[int] = None) -> None:
        more = {} if seed is None else {"substitute_kwargs": {"seed": seed % 2**31}}
        self._sampler = MockDWaveSampler(topology_type="pegasus", topology_shape=[16], **more)
        self._answers: dict[str, dimod.SampleSet] = {}

    def graph(self) -> Any:
        return self._sampler.to_networkx_graph()

    def estimate(self, qubits: int, reads: int) -> Optional[float]:
        return None

    def submit(self, model: dimod.BinaryQuadraticModel, reads: int, label: str) -> str:
        problem = str(uuid.uuid4())
        self._answers[problem] = self._sampler.sample(model, num_reads=reads, label=label)
        return problem

    def find(self, label: str) -> Optional[str]:
        known = (problem for problem, answer in self._answers.items() if answer.info["problem_label"] == label)
        return next(known, None)

    def fetch(self, problem: str, wait: float) -> Optional[dimod.SampleSet]:
        if problem not in self._answers:
            raise Gone(problem)
        return self._answers[problem]

    def cancel(self, problem: str) -> None:
        self._answers.pop(problem, None)


class Qpu:
    """A chip behind D-Wave's service, with the token and the solver of `qpu_settings`."""

    def __init__(self) -> None:
        qpu_settings()
        from dwave.cloud import Client

        self._client = Client.from_config(client="base")
        self._futures: dict[str, Any] = {}
        try:
            self._solver = self._client.get_solver()
        except Exception as error:
            self._client.close()
            raise translated(error) from None
        self.name = self._solver.name

    def graph(self) -> Any:
        from dwave.system import qpu_graph

        topology = self._solver.properties["topology"]
        return qpu_graph(topology["type"], topology["shape"], self._solver.nodes, self._solver.undirected_edges)

    def estimate(self, qubits: int, reads: int) -> Optional[float]:
        try:
            return float(self._solver.estimate_qpu_access_time(qubits, num_reads=reads)) / 1e6
        except (KeyError, ValueError):
            return None

    def submit(self, model: dimod.BinaryQuadraticModel, reads: int, label: str) -> str:
        try:
            future = self._solver.sample_bqm(model, num_reads=reads, label=label, answer_mode="histogram")
            problem: str = future.wait_id()
        except Exception as error:
            raise translated(error) from None
        self._futures[problem] = future
        return problem

    def find(self, label: str) -> Optional[str]:
        from dwave.cloud.api.resources import Problems

        try:
            with Problems.from_config(self._client.config) as problems:
                known = problems.list_problems(label=label)
        except Exception as error:
            raise translated(error) from None
        alive = [one for one in known if one.label == label and one.status.value not in ("FAILED", "CANCELLED")]
        return alive[0].id if alive else None

    def fetch(self, problem: str, wait: float) -> Optional[dimod.SampleSet]:
        try:
            future = self._futures.get(problem) or self._client.retrieve_answer(problem)
            self._futures[problem] = future
            if not future.wait(timeout=wait):
                return None
            answer = future.sampleset
            answer.resolve()
        except Exception as error:
            self._futures.pop(problem, None)
            raise translated(error, problem) from None
        return answer

    def cancel(self, problem: str) -> None:
        future = self._futures.get(problem)
        if future is not None:
            future.cancel()


def translated(error: Exception, problem: str = "") -> Exception:
    """The service's refusals as SolverFailed, a problem it does not know as Gone; the rest (network, time-outs) may pass."""
    from dwave.cloud import exceptions
    from dwave.cloud.api import exceptions as api

    passing = (api.RequestTimeout, api.InternalServerError, api.ResourceLimitsExceededError)
    refusals = (api.RequestError, exceptions.InvalidProblemError, exceptions.CanceledFutureError, KeyError)
    message = redacted(f"{type(error).__name__}: {error}")
    if isinstance(error, api.ResourceNotFoundError) and problem:
        return Gone(message)
    if isinstance(error, refusals) and not isinstance(error, passing):
        return SolverFailed(message)
    return RuntimeError(message)


def qpu_settings() -> Mapping[str, Any]:
    """Token, solver and the rest from DWAVE_API_TOKEN, DWAVE_API_SOLVER ... or D-Wave's configuration file.

    Asks nobody. Raises SolverFailed with what is missing.
    """
    from dwave.cloud.config import load_config
    from dwave.cloud.config.exceptions import ConfigFileError

    try:
        settings: Mapping[str, Any] = load_config(client="base")
    except (ConfigFileError, ValueError) as error:
        raise SolverFailed(f"D-Wave's configuration cannot be read: {type(error).__name__}: {error}") from None
    missing = [f"DWAVE_API_{name.upper()}" for name in ("token", "solver") if not settings.get(name)]
    if missing:
        file = "D-Wave's configuration file (`dwave config create`)"
        raise SolverFailed(f"{' and '.join(missing)} not set, neither in the environment of this worker nor in {file}")
    return settings


def redacted(text: str) -> str:
    """Without the token, should a library ever put it into a message."""
    try:
        token = qpu_settings()["token"]
    except SolverFailed:
        token = os.environ.get("DWAVE_API_TOKEN")
    return text.replace(token, "***") if token else text
