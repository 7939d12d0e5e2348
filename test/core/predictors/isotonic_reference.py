"""Random problems with scikit-learn's isotonic regression as JSON: isotonic_reference.py <problems> <seed>."""

import json
import sys

import numpy
from sklearn.isotonic import IsotonicRegression

random = numpy.random.default_rng(int(sys.argv[2]))


def problem():
    n = int(random.integers(1, 40))
    x = random.random(n).round(int(random.integers(1, 7)))
    y = (x + random.normal(size=n) * random.choice([0.05, 0.5])).round(int(random.integers(1, 7)))
    asked = numpy.concatenate([[-0.5, 1.5], random.random(6).round(6), x[:2]])
    model = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    return {"x": x.tolist(), "y": y.tolist(), "asked": asked.tolist(), "predicted": model.predict(asked).tolist()}


print(json.dumps([problem() for _ in range(int(sys.argv[1]))]))
