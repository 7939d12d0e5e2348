"""One of two processes of an Optuna study that survives what Optuna's documentation says it does: heartbeats, and a callback
that tries a lost trial again from its checkpoint. optuna_peer.py run|tell <folder> <journal> <seed> <trials> <R>
"""

import json
import os
import sys
from pathlib import Path

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState
from task import load, save, train_epoch

do, folder, journal, seed, trials, R = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = RDBStorage(
    f"sqlite:///{folder / 'study.db'}",
    heartbeat_interval=1,
    grace_period=5,
    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3, inherit_intermediate_values=True),
)
study = optuna.create_study(
    storage=storage,
    study_name="faults",
    load_if_exists=True,
    # Two processes of one seed draw the same configurations, and so does one that is started again.
    sampler=optuna.samplers.RandomSampler(seed=int(seed) * 1_000_003 + os.getpid()),
    pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=int(R), reduction_factor=3),
)
ended = (TrialState.COMPLETE, TrialState.PRUNED)


def objective(trial):
    lr, momentum = trial.suggest_float("lr", 0, 1), trial.suggest_float("momentum", 0, 1)
    # In 5.0.0 the documented retried_trial_number(trial) fails for the trial that an objective is given.
    first = RetryHeartbeatStaleTrialCallback.retried_trial_number(storage.get_trial(trial._trial_id))
    own = folder / "checkpoints" / f"{trial.number if first is None else first}.json"
    own.parent.mkdir(exist_ok=True)
    done, losses = load(own)
    for epoch in range(done + 1, int(R) + 1):
        losses.append(train_epoch(journal, lr, momentum, epoch))
        save(own, epoch, losses)
        trial.report(losses[-1], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return losses[-1]


if do == "run":
    study.optimize(objective, callbacks=[MaxTrialsCallback(int(trials), states=ended)])
else:
    known = {}
    # A trial that was lost and tried again is known twice: what became of it last counts.
    for one in sorted(study.trials, key=lambda one: (one.state in ended, one.number)):
        trial = f"{one.params.get('lr')!r} {one.params.get('momentum')!r}"
        epochs = max(one.intermediate_values, default=0)
        known[trial] = {"trial": trial, "epochs": epochs, "ended": one.state in ended, "state": one.state.name}
    print(json.dumps({"version": optuna.__version__, "trials": list(known.values())}))
