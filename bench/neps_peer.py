"""NePS's Hyperband on the same surface, its state in files: neps_peer.py <folder> <seed>."""

import random
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import neps
import numpy
import torch

# NePS wants a folder that is not there yet.
folder, seed = Path(sys.argv[1]) / "run", int(sys.argv[2])
for seeded in (random.seed, numpy.random.seed, torch.manual_seed):
    seeded(seed)


class Space(neps.PipelineSpace):
    a = neps.Float(0, 1)
    b = neps.Float(0, 1)
    c = neps.Float(0, 1)
    epochs = neps.IntegerFidelity(1, 81)


def evaluate(a, b, c, epochs):
    return 0.05 + a * a + b / (epochs + 1) ** (0.5 + c)


# As many evaluations as Everband's iteration has segments. NePS's own brackets have 187 (128 configurations): the rest
# begins its next iteration.
since = time.perf_counter()
neps.run(
    evaluate,
    Space(),
    root_directory=folder,
    optimizer=("hyperband", {"eta": 3}),
    worker_evaluations_to_spend=206,
)
seconds = time.perf_counter() - since
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{seconds:.3f} {version('neural-pipeline-search')} {peak:.0f}")
