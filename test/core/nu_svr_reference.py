"""Random problems with scikit-learn's answers as JSON: nu_svr_reference.py <problems> <curves> <seed>.

"problems" are plain NuSVR() fits; "curves" are sets of learning curves, scaled with MinMaxScaler before the fit.
"""

import json
import sys

import numpy
import sklearn
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import NuSVR

random = numpy.random.default_rng(int(sys.argv[3]))


def problem():
    n, f = int(random.integers(2, 60)), int(random.integers(1, 12))
    rows = random.random((n, f)).round(6)
    targets = (rows @ random.normal(size=f) + 0.1 * random.normal(size=n)).round(6)
    if random.random() < 0.2:
        rows[n // 2] = rows[0]
    if random.random() < 0.2:
        rows[:, 0] = 0.5
    if random.random() < 0.2:
        targets = targets.round(1)
    nu, c = float(random.uniform(0.1, 0.9).__round__(3)), float((10 ** random.uniform(-1, 2)).__round__(3))
    if random.random() < 0.5:
        nu, c = 0.5, 1.0
    asked = random.random((4, f)).round(6)
    model = NuSVR(nu=nu, C=c).fit(rows, targets)
    return {
        "nu": nu,
        "c": c,
        "rows": rows.tolist(),
        "targets": targets.tolist(),
        "asked": asked.tolist(),
        "iterations": int(model.n_iter_),
        "predicted": model.predict(asked).tolist(),
    }


def curve_set():
    """Power laws with noise, in units from 1e-3 to 1e3; the last value is the target."""
    n, epochs = int(random.integers(2, 80)), int(random.integers(1, 16))
    t = numpy.arange(1, 2 * epochs + 2)
    low, drop, power = random.random((3, n + 3, 1))
    curves = (low + drop * t ** (-2 * power) + 0.02 * random.normal(size=(n + 3, len(t)))) * 10 ** random.uniform(-3, 3)
    if random.random() < 0.3:
        curves[:, 0] = curves[0, 0]
    curves = curves.round(7)
    known, targets = curves[:n, :epochs], curves[:n, -1]
    asked = curves[n:, :epochs]
    predicted = {}
    for name, first in (("svr", 0), ("svr-tail", max(0, epochs - (10 if n >= 50 else 5)))):
        x, y = MinMaxScaler(), MinMaxScaler()
        model = NuSVR().fit(x.fit_transform(known[:, first:]), y.fit_transform(targets[:, None]).ravel())
        scaled = model.predict(x.transform(asked[:, first:]))
        predicted[name] = y.inverse_transform(scaled[:, None]).ravel().tolist()
    return {"curves": known.tolist(), "targets": targets.tolist(), "asked": asked.tolist(), "predicted": predicted}


print(
    json.dumps(
        {
            "sklearn": sklearn.__version__,
            "problems": [problem() for _ in range(int(sys.argv[1]))],
            "curves": [c for c in (curve_set() for _ in range(int(sys.argv[2]))) if len(set(c["targets"])) > 1],
        }
    )
)
