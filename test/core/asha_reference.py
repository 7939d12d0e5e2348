"""Records what Syne Tune's promotion ASHA decides, as fixtures/asha.json: `python asha_reference.py fixtures/asha.json`.

Needs syne-tune 0.13.0 (Python 3.11: `pip install syne-tune==0.13.0`), a release that still promotes. Its
`PromotionRungSystem` is driven directly: workers ask for a trial, train it to the next rung and report one number. Two
rules decide who may be promoted from a rung of n results:

- released: Syne Tune's own, the interpolated 1/eta quantile of the results (ceil(n / eta) of them, ties included);
- paper: algorithm 2 of Li et al. 2018, the best floor(n / eta); only `Rung.quantile` is replaced.

In one world workers report in bursts, so that several rungs have someone to promote at once. Numbers are drawn here
and written with the fixture; no recorded curves are in it.
"""

import json
import random
import sys

from syne_tune.optimizer.schedulers.hyperband_promotion import PromotionRungSystem


def rung_levels(min_budget, max_budget, eta):
    levels, level = [], min_budget
    while level < max_budget:
        levels.append(level)
        level *= eta
    return levels


def paper_rule(system, eta):
    for rung in system._rungs:
        def cutoff(rung=rung):
            allowed = len(rung.data) // eta
            return None if allowed == 0 else rung.data[allowed - 1].metric_val

        rung.quantile = cutoff
    return system


def play(rule, seed, trials, workers, eta, min_budget, max_budget, mode, digits, burst=1):
    draw = random.Random(seed)
    levels = rung_levels(min_budget, max_budget, eta)
    system = PromotionRungSystem(levels, [1 / eta] * len(levels), "loss", mode, "epoch", max_budget)
    if rule == "paper":
        paper_rule(system, eta)
    all_levels = levels + [max_budget]
    started, running, level_of, events = 0, [], {}, []
    worth = [draw.random() for _ in range(trials)]
    while True:
        while len(running) < workers:
            promoted = system.on_task_schedule(str(started))
            if "trial_id" in promoted:
                trial, rung = promoted["trial_id"], all_levels.index(promoted["milestone"])
                system.on_task_add(
                    trial, 0, new_config=False, milestone=promoted["milestone"], resume_from=promoted["resume_from"]
                )
            elif started < trials:
                trial, rung = str(started), 0
                started += 1
                system.on_task_add(trial, 0, new_config=True)
            else:
                break
            running.append(trial)
            level_of[trial] = rung
            events.append([int(trial), rung])
        if not running:
            break
        for _ in range(min(burst, len(running))):
            trial = running.pop(draw.randrange(len(running)))
            rung = level_of[trial]
            value = round(worth[int(trial)] + 0.3 * draw.random() / (rung + 1), digits)
            system.on_task_report(trial, {"loss": value, "epoch": all_levels[rung]}, 0)
            system.on_task_remove(trial)
            events.append([int(trial), rung, value])
    scheduler = {"type": "asha", "trials": trials, "maxBudget": max_budget, "minBudget": min_budget, "eta": eta}
    return {"rule": rule, "mode": mode, "workers": workers, "burst": burst, "scheduler": scheduler, "events": events}


worlds = [
    dict(seed=1, trials=60, workers=1, eta=3, min_budget=1, max_budget=27, mode="min", digits=6),
    dict(seed=2, trials=70, workers=4, eta=2, min_budget=1, max_budget=20, mode="max", digits=6),
    dict(seed=3, trials=80, workers=9, eta=4, min_budget=2, max_budget=128, mode="min", digits=6),
    dict(seed=5, trials=90, workers=12, eta=2, min_budget=1, max_budget=16, mode="min", digits=6, burst=8),
]
ties = dict(seed=4, trials=60, workers=3, eta=3, min_budget=1, max_budget=27, mode="min", digits=1)
plays = [play(rule, **world) for rule in ("paper", "released") for world in worlds] + [play("released", **ties)]
with open(sys.argv[1], "w") as file:
    json.dump({"syneTune": "0.13.0", "plays": plays}, file, separators=(",", ":"))
    file.write("\n")
