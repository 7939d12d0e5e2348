"""Random nu-SVR problems with scikit-learn's predictions as JSON: nu_svr_reference.py <count> <seed>."""

import json
import sys

import numpy
import sklearn
from sklearn.svm import NuSVR

count, seed = int(sys.argv[1]), int(sys.argv[2])
random = numpy.random.default_rng(seed)
problems = []
for _ in range(count):
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
    predicted = [float(x) for x in model.predict(asked)]
    problems.append(
        {"nu": nu, "c": c, "rows": rows.tolist(), "targets": targets.tolist(), "asked": asked.tolist(), "predicted": predicted}
    )
print(json.dumps({"sklearn": sklearn.__version__, "problems": problems}))
