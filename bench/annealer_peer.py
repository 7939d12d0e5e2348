"""D-Wave's SimulatedAnnealingSampler on a QUBO: a request of core/predictors/annealer/wire.ts in, energies and time out."""

import base64
import json
import sys
import time

import dimod
import dwave.samplers
import numpy

request = json.load(sys.stdin)
n = request["variables"]
matrix = numpy.zeros((n, n))
matrix[numpy.triu_indices(n)] = numpy.frombuffer(base64.b64decode(request["qubo"]), "<f8")
model = dimod.BinaryQuadraticModel(matrix, "BINARY")
more = {"beta_range": request["betaRange"]} if "betaRange" in request else {}
sampler = dwave.samplers.SimulatedAnnealingSampler()
cpu, wall = time.process_time(), time.perf_counter()
found = sampler.sample(model, num_reads=request["reads"], num_sweeps=request["sweeps"], seed=request["seed"], **more)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
energies = found.record.energy
print(
    json.dumps(
        {
            "best": float(energies.min()),
            "mean": float(energies.mean()),
            "cpu": cpu,
            "wall": wall,
            "version": dwave.samplers.__version__,
            "python": sys.version.split()[0],
        }
    )
)
