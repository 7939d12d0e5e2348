"""What bench/population-based.ts trains, the same for Everband and for Ray Tune: one epoch at a time, from a saved state."""

import time

import numpy as np


class Toy:
    """The toy problem of Jaderberg et al. 2017: gradient ascent on a surrogate of 1.2 - |theta|^2. An epoch takes 20 ms, so
    that the two trials train side by side, however long their processes take to start."""

    def start(self, seed):
        return {"theta": np.array([0.9, 0.9])}

    def epoch(self, state, config):
        time.sleep(0.02)
        theta = state["theta"] * (1 - 0.02 * np.array([config["h0"], config["h1"]]))
        return {"theta": theta}, float(1.2 - np.sum(theta**2))


class Digits:
    """A network of one hidden layer on scikit-learn's 1,797 digits of 8 x 8 pixels: stochastic gradient descent with
    momentum and weight decay, 1,000 images to train on, the cross-entropy of the other 797 as value."""

    hidden, batch = 32, 20

    def __init__(self):
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(labels))
        images, labels = images[order] / 16, labels[order]
        self.train, self.check = (images[:1000], labels[:1000]), (images[1000:], labels[1000:])

    def start(self, seed):
        random = np.random.default_rng(seed)
        shapes = {"w1": (64, self.hidden), "b1": (self.hidden,), "w2": (self.hidden, 10), "b2": (10,)}
        state = {name: random.normal(0, 0.1, shape) for name, shape in shapes.items()}
        return {**state, **{f"v{name}": np.zeros(shape) for name, shape in shapes.items()}, "epoch": np.array(0)}

    def epoch(self, state, config):
        state = {name: np.array(value) for name, value in state.items()}
        state["epoch"] += 1
        images, labels = self.train
        order = np.random.default_rng(int(state["epoch"])).permutation(len(labels))
        with np.errstate(all="ignore"):
            for first in range(0, len(order), self.batch):
                chosen = order[first : first + self.batch]
                hidden, error = self._forward(state, images[chosen])
                error[np.arange(len(chosen)), labels[chosen]] -= 1
                error /= len(chosen)
                back = (error @ state["w2"].T) * (hidden > 0)
                slopes = {"w2": hidden.T @ error, "b2": error.sum(0), "w1": images[chosen].T @ back, "b1": back.sum(0)}
                for name, slope in slopes.items():
                    slope = slope + config["weightDecay"] * state[name]
                    state[f"v{name}"] = config["momentum"] * state[f"v{name}"] - config["lr"] * slope
                    state[name] = state[name] + state[f"v{name}"]
            images, labels = self.check
            chances = self._forward(state, images)[1][np.arange(len(labels)), labels]
            # A network that has diverged is as bad as can be, and goes on: Ray Tune has no other word for it.
            return state, float(np.nan_to_num(-np.log(np.maximum(chances, 1e-12)), nan=27.6).mean())

    @staticmethod
    def _forward(state, images):
        hidden = np.maximum(images @ state["w1"] + state["b1"], 0)
        scores = hidden @ state["w2"] + state["b2"]
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return hidden, scores / scores.sum(1, keepdims=True)


tasks = {"toy": Toy, "digits": Digits}
