"""Whose results an asynchronous population compares with (docs/adr/0017): population_rules.py [seeds].

A noisy quadratic whose expected loss under stochastic gradient descent is known exactly, so that a learning rate has to
fall; workers of uneven speed on a virtual clock. `latest`: everybody's latest result and checkpoint. `same epoch`: what
others came to at the epoch of the trial that is compared, and their checkpoints of then.
"""

import heapq
import math
import random
import statistics
import sys

SLOPES = [10 ** (-2 * i / 19) for i in range(20)]
INTERVALS, EPOCHS, STEPS = 10, 5, 5


def trained(spread, rate):
    for _ in range(EPOCHS * STEPS):
        spread = [(1 - rate * slope) ** 2 * x + rate * rate * slope * 0.05 for slope, x in zip(SLOPES, spread)]
        if max(spread) > 1e6:
            return [1e6] * len(SLOPES)
    return spread


def best_of(seed, trials, workers, uneven, rule):
    """The best loss once every trial has trained all intervals."""
    draws, speeds = random.Random(seed), random.Random(seed + 999)
    rates = [10 ** draws.uniform(-3, 0.3) for _ in range(trials)]
    spreads = [[1.0] * len(SLOPES) for _ in range(trials)]
    speed = [math.exp(speeds.gauss(0, uneven)) for _ in range(trials)]
    reached, away, saved, queue, now, started = [0] * trials, set(), {}, [], 0.0, 0

    def start(trial):
        own = reached[trial]
        at = {"same epoch": lambda other: own, "latest": lambda other: reached[other]}[rule]
        known = [(saved[other, at(other)], other) for other in range(trials) if (other, at(other)) in saved]
        ranking = sorted(known, key=lambda one: (one[0][0], one[1]))
        share = min(math.ceil(len(ranking) * 0.25), len(ranking) // 2)
        if own > 0 and share > 0 and trial in [other for _, other in ranking[-share:]]:
            (_, spreads[trial], rate), _ = ranking[draws.randrange(share)]
            again, up = draws.random() < 0.25, draws.random() < 0.5
            rates[trial] = 10 ** draws.uniform(-3, 0.3) if again else min(2, rate * (1.2 if up else 1 / 1.2))
        heapq.heappush(queue, (now + speed[trial] * math.exp(draws.gauss(0, 0.1)), started, trial))

    while True:
        waiting = sorted((reached[t], t) for t in range(trials) if t not in away and reached[t] < INTERVALS)
        for _, trial in waiting[: workers - len(away)]:
            started += 1
            away.add(trial)
            start(trial)
        if not queue:
            return min(saved[trial, INTERVALS][0] for trial in range(trials))
        now, _, trial = heapq.heappop(queue)
        away.discard(trial)
        spreads[trial] = trained(spreads[trial], rates[trial])
        reached[trial] += 1
        loss = 0.5 * sum(slope * x for slope, x in zip(SLOPES, spreads[trial]))
        saved[trial, reached[trial]] = (loss, spreads[trial], rates[trial])


seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
for trials, workers, uneven in ((8, 8, 0.0), (8, 8, 0.5), (8, 4, 0.5), (20, 20, 0.5)):
    same, latest = ([best_of(s, trials, workers, uneven, rule) for s in range(seeds)] for rule in ("same epoch", "latest"))
    better = sum(a < b for a, b in zip(latest, same))
    medians = f"same epoch {statistics.median(same):.4f}, latest {statistics.median(latest):.4f}"
    print(f"{trials} trials, {workers} at once, speeds e^N(0, {uneven}): {medians}, latest better in {better} of {seeds}")
