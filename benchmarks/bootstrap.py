"""Paired bootstrap of two models' AUROC (or AUPRC) per class: `medvl.evaluate` beside a loop over scikit-learn.

    python benchmarks/bootstrap.py [--cases 100000] [--classes 14] [--replicates 500] [--loop 2] [--rounds 3]
                                   [--metric auprc]

Both get the same draws and must give the same numbers. The loop runs on `--loop` replicates of each round and its
time is scaled to all of them; drawing is part of ours and not of the loop's. Run it with OMP_NUM_THREADS=1 to compare
single threads.
"""

import argparse
import statistics
import time

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from medvl.evaluate.auroc import RankedScores
from medvl.evaluate.bootstrap import replicate_weights

METRICS = {
    "auroc": (RankedScores.auroc, roc_auc_score),
    "auprc": (RankedScores.average_precision, average_precision_score),
}


def ours(metric, labels, models, replicates):
    """(models, classes, replicates), sorting, drawing and weighting included."""
    ranked = [[RankedScores(y, s) for y, s in zip(labels.T, scores.T, strict=True)] for scores in models]
    blocks = []
    for weights in replicate_weights(np.arange(len(labels)), replicates, seed=0):
        blocks.append(np.array([[metric(one, weights) for one in model] for model in ranked]))
    return np.concatenate(blocks, axis=-1)


def loop(metric, labels, models, draws):
    """The same for a few draws (rows, one array a replicate), a class at a time."""
    values = np.empty((len(models), labels.shape[1], len(draws)))
    for r, rows in enumerate(draws):
        for m, scores in enumerate(models):
            for k in range(labels.shape[1]):
                values[m, k, r] = metric(labels[rows, k], scores[rows, k])
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=14)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--loop", type=int, default=2, help="replicates that the loop runs in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--metric", choices=METRICS, default="auroc")
    asked = parser.parse_args()
    fast_metric, slow_metric = METRICS[asked.metric]

    random = np.random.default_rng(0)
    labels = random.random((asked.cases, asked.classes)) < np.linspace(0.02, 0.5, asked.classes)
    models = [(random.normal(size=labels.shape) + labels).astype(np.float32) for _ in range(2)]
    first = next(iter(replicate_weights(np.arange(asked.cases), asked.loop, seed=0)))
    draws = [np.repeat(np.arange(asked.cases), column) for column in first.T]

    ratios, seconds = [], []
    for _ in range(asked.rounds):  # interleaved, so that a busy machine slows both
        start = time.perf_counter()
        fast = ours(fast_metric, labels, models, asked.replicates)
        middle = time.perf_counter()
        slow = loop(slow_metric, labels, models, draws)
        scaled = (time.perf_counter() - middle) * asked.replicates / asked.loop
        np.testing.assert_allclose(fast[..., : asked.loop], slow, rtol=0, atol=1e-12)
        seconds.append(middle - start)
        ratios.append(scaled / (middle - start))
        print(f"medvl {middle - start:.2f} s, loop {scaled:.0f} s (scaled from {asked.loop} replicates)")
    print(
        f"{asked.metric}, {asked.replicates} paired replicates, {asked.cases:,} cases x {asked.classes} classes: "
        f"median {statistics.median(seconds):.2f} s, {statistics.median(ratios):.0f} times the loop's speed"
    )


if __name__ == "__main__":
    main()
