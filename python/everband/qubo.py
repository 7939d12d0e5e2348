"""A Temporal worker that samples QUBOs with D-Wave's Ocean SDK, for studies whose annealer is `solver: dwave`.

    python -m everband.qubo [--task-queue everband-qubo] [--address host:port] --solver simulated|mock|qpu

`qpu` needs DWAVE_API_TOKEN and DWAVE_API_SOLVER in the environment of this process, or D-Wave's own configuration file;
without them it ends with exit code 2. Installed by the extra `annealer` of this package.
"""

from __future__ import annotations

import argparse
import base64
import functools
import math
import os
import sys
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

import dimod
import numpy
from dwave.embedding import embed_bqm, unembed_sampleset
from dwave.embedding.chain_breaks import majority_vote
from dwave.samplers import SimulatedAnnealingSampler
from minorminer.busclique import find_clique_embedding
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from .beat import Beat
from .chips import Chip, Gone, MockChip, Qpu, SolverFailed, qpu_settings, redacted
from .polling import poll
from .predictor import require_asked
from .schema import check_version

Chains = dict[int, tuple[int, ...]]

#: No chip has room for more, all coupled.
_MOST_VARIABLES = 2000

#: Seconds of access time where a solver publishes no timing. An Advantage takes about 0.03 s and 0.2 ms a read.
_UNKNOWN_TIMING = (0.05, 0.001)


def create_activity(
    make_chip: Optional[Callable[[], Chip]], state_dir: Union[str, Path, None] = None
) -> Callable[[Any], Any]:
    """The activity `sampleQubo`, synchronous; without a chip it samples with Ocean's simulated annealing.

    Only a study that was sealed with this worker's key may spend its time; `state_dir` as in `everband.predictor.run`.
    """
    root = Path(state_dir or os.environ.get("EVERBAND_HOME") or ".everband").resolve()
    # Kept: connecting and finding chains take seconds. A chip that could not be had is tried again.
    chip = functools.cache(make_chip) if make_chip else None

    @activity.defn(name="sampleQubo", no_thread_cancel_exception=True)
    def sample_qubo(request: Any) -> Any:
        require_asked(root, request)
        check_version(request, 1)
        details = activity.info().heartbeat_details
        with Beat(details[0] if details else {"problem": None}) as beat:
            try:
                model = _model(request)
                return _on_chip(chip(), model, request, beat) if chip else _simulated(model, request)
            except SolverFailed as error:
                if chip:
                    # Its qubits may have changed since this worker looked: the next request asks anew.
                    chip.cache_clear()
                raise ApplicationError(redacted(str(error)), type="SolverFailed", non_retryable=True) from None
            except (ApplicationError, CancelledError):
                raise
            except Exception as error:
                # Passing troubles of the network: tried again. Without its cause, whose text is not ours.
                raise ApplicationError(redacted(f"{type(error).__name__}: {error}"), type="SolverUnreachable") from None

    return sample_qubo


def _model(request: Mapping[str, Any]) -> dimod.BinaryQuadraticModel:
    n = request["variables"]
    if not isinstance(n, int) or isinstance(n, bool) or not 0 < n <= _MOST_VARIABLES:
        raise ApplicationError(f"variables must be a whole number up to {_MOST_VARIABLES}, not {n!r}", non_retryable=True)
    matrix = numpy.zeros((n, n))
    matrix[numpy.triu_indices(n)] = numpy.frombuffer(base64.b64decode(request["qubo"]), "<f8")
    return dimod.BinaryQuadraticModel(matrix, "BINARY")


def _simulated(model: dimod.BinaryQuadraticModel, request: Mapping[str, Any]) -> dict[str, Any]:
    more = {"num_sweeps": request["sweeps"]} if request.get("sweeps") else {}
    seed = request["seed"] % 2**31
    found = SimulatedAnnealingSampler().sample(model, num_reads=request["reads"], seed=seed, **more)
    return _answer(found, solver="SimulatedAnnealingSampler", qpu_seconds=0.0)


def _on_chip(
    chip: Chip, model: dimod.BinaryQuadraticModel, request: Mapping[str, Any], beat: Beat
) -> dict[str, Any]:
    """Embeds, submits once over all attempts, waits, unembeds.

    An attempt goes on with the problem of the one before: its id is in the heartbeat or, should that have been lost
    with the worker, found by the label, which names this activity of this run of the workflow.
    """
    info = activity.info()
    label = f"everband/{request['study']}/{info.workflow_run_id}/{info.activity_id}"
    problem: Optional[str] = beat.details["problem"]
    if problem is None:
        chains = _chains(chip, len(model))
        problem = chip.find(label) if info.attempt > 1 else None
    else:
        chains = {variable: tuple(chain) for variable, chain in enumerate(beat.details["chains"])}
    for _ in range(2):
        if problem is None:
            problem = _submit(chip, model, request, chains, label)
        beat.note({"problem": problem, "chains": [chains[variable] for variable in range(len(chains))]})
        try:
            found = _wait(chip, problem)
            break
        except Gone:
            # Never accepted, or forgotten: nothing was paid for it.
            problem, chains = None, _chains(chip, len(model))
    else:
        raise SolverFailed(f"{chip.name} forgets what is submitted to it")
    try:
        whole = unembed_sampleset(
            found, chains, model, chain_break_method=majority_vote, chain_break_fraction=True
        )
    except ValueError as error:
        raise SolverFailed(f"the answer to {problem} does not fit the chains: {error}") from None
    breaks = float(numpy.average(whole.record.chain_break_fraction, weights=whole.record.num_occurrences))
    seconds = float(found.info.get("timing", {}).get("qpu_access_time", 0.0)) / 1e6
    return {**_answer(whole, solver=chip.name, qpu_seconds=seconds), "chainBreaks": breaks}


@functools.lru_cache(maxsize=8)
def _chains(chip: Chip, variables: int) -> Chains:
    embedding = find_clique_embedding(variables, chip.graph(), use_cache=False)
    if len(embedding) < variables:
        raise SolverFailed(f"{chip.name} has no room for {variables} variables, all coupled")
    return {variable: tuple(int(qubit) for qubit in chain) for variable, chain in embedding.items()}


def _submit(
    chip: Chip, model: dimod.BinaryQuadraticModel, request: Mapping[str, Any], chains: Chains, label: str
) -> str:
    reads = request["reads"]
    qubits = sum(len(chain) for chain in chains.values())
    estimate = chip.estimate(qubits, reads)
    if estimate is None:
        estimate = _UNKNOWN_TIMING[0] + reads * _UNKNOWN_TIMING[1]
    most, used = request.get("maxQpuSeconds"), request.get("qpuSecondsUsed") or 0
    if most is not None and used + estimate > most:
        message = f"{reads} reads take about {estimate:.3g} s of QPU time; {used:.3g} s of {most:.3g} s are used"
        raise ApplicationError(message, type="QpuLimit", non_retryable=True, category=ApplicationErrorCategory.BENIGN)
    strength = request.get("chainMultiplier", 10) * math.ceil(_largest(model))
    graph = chip.graph()
    return chip.submit(embed_bqm(model, chains, graph, chain_strength=strength), reads, label)


def _largest(model: dimod.BinaryQuadraticModel) -> float:
    """max |Q|."""
    return max(abs(float(bias)) for biases in (model.linear, model.quadratic) for bias in biases.values())


def _wait(chip: Chip, problem: str) -> dimod.SampleSet:
    while True:
        found = chip.fetch(problem, wait=1.0)
        if found is not None:
            return found
        if activity.is_cancelled():
            details = activity.cancellation_details()
            if details is not None and details.cancel_requested:
                chip.cancel(problem)
            # A worker that shuts down leaves the problem to the next attempt.
            raise CancelledError("stopped while waiting for the solver")


def _answer(found: dimod.SampleSet, *, solver: str, qpu_seconds: float) -> dict[str, Any]:
    found = found.aggregate()
    order = numpy.argsort(found.record.energy, kind="stable")
    columns = [found.variables.index(variable) for variable in range(len(found.variables))]
    bits = found.record.sample[order][:, columns].astype(numpy.uint8)
    return {
        "samples": base64.b64encode(numpy.packbits(bits.ravel(), bitorder="little").tobytes()).decode(),
        "energies": found.record.energy[order].tolist(),
        "occurrences": found.record.num_occurrences[order].tolist(),
        "qpuSeconds": qpu_seconds,
        "solver": solver,
    }


_CHIPS: dict[str, Optional[Callable[[], Chip]]] = {"simulated": None, "mock": MockChip, "qpu": Qpu}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m everband.qubo", description="Samples QUBOs for Everband studies.")
    parser.add_argument("--task-queue", default="everband-qubo")
    parser.add_argument("--address", help="default: what TEMPORAL_ADDRESS or Temporal's profile says")
    parser.add_argument("--namespace", help="likewise")
    parser.add_argument("--solver", choices=sorted(_CHIPS), default="simulated")
    arguments = parser.parse_args()
    if arguments.solver == "qpu":
        try:
            qpu_settings()
        except SolverFailed as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    poll(
        create_activity(_CHIPS[arguments.solver]),
        task_queue=arguments.task_queue,
        slots=1,
        address=arguments.address,
        namespace=arguments.namespace,
        what=f"sampling with {arguments.solver}, ",
    )


if __name__ == "__main__":
    main()
