"""SciPy's Sobol points and statsmodels' densities as JSON: samplers_reference.py <density problems> <seed>."""

import json
import sys

import numpy
from scipy.stats import qmc
from statsmodels.nonparametric.kernel_density import KDEMultivariate

random = numpy.random.default_rng(int(sys.argv[2]))


def sobol(dimensions, indices):
    points = qmc.Sobol(dimensions, scramble=False).random_base2(max(indices).bit_length())
    return {"dimensions": dimensions, "indices": indices, "points": points[indices].tolist()}


def problem():
    """Points in the unit cube, some dimensions categories. statsmodels counts as levels those the points have."""
    d = int(random.integers(1, 7))
    n = int(random.integers(d + 2, 80))
    levels = [int(random.integers(2, 7)) if random.random() < 0.4 else 0 for _ in range(d)]
    columns, asked = [], []
    for j, level in enumerate(levels):
        if level:
            codes = random.integers(0, level, n)
            codes[:2] = 0, level - 1
            seen = numpy.unique(codes)
            levels[j] = len(seen)
            columns.append(numpy.searchsorted(seen, codes))
            asked.append(random.integers(0, len(seen), 5))
        else:
            columns.append(random.beta(2, 3, n).round(6))
            asked.append(random.random(5).round(6))
    data, asked = numpy.column_stack(columns).astype(float), numpy.column_stack(asked).astype(float)
    kde = KDEMultivariate(data=data, var_type="".join("u" if level else "c" for level in levels), bw="normal_reference")
    return {
        "levels": levels,
        "points": data.tolist(),
        "bandwidths": kde.bw.tolist(),
        "asked": asked.tolist(),
        "densities": numpy.atleast_1d(kde.pdf(asked)).tolist(),
    }


print(
    json.dumps(
        {
            "sobol": [sobol(64, [0, 1, 2, 3, 5, 8, 13, 100, 1023, 32768, 65535]), sobol(3, list(range(16)))],
            "kde": [problem() for _ in range(int(sys.argv[1]))],
        }
    )
)
