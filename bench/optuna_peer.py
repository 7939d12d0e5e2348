"""Optuna's Hyperband on the same surface: optuna_peer.py <sqlite|journal|memory> <folder> <seed>."""

import math
import resource
import sys
import time
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

kind, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = {
    "sqlite": lambda: f"sqlite:///{folder / 'optuna.db'}",
    "journal": lambda: JournalStorage(JournalFileBackend(str(folder / "optuna.log"))),
    "memory": lambda: None,
}[kind]()


def objective(trial):
    a, b, c = (trial.suggest_float(name, 0, 1) for name in "abc")
    loss = math.inf
    for epoch in range(1, 82):
        loss = 0.05 + a * a + b / (epoch + 1) ** (0.5 + c)
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=81, reduction_factor=3)
study = optuna.create_study(storage=storage, study_name="bench", sampler=optuna.samplers.RandomSampler(seed=seed), pruner=pruner)
since = time.perf_counter()
study.optimize(objective, n_trials=143)
seconds = time.perf_counter() - since
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{seconds:.3f} {optuna.__version__} {peak:.0f}")
