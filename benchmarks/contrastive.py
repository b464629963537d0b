"""Contrastive losses of a large batch: `medvl.losses.chunked_contrast` beside the plain formulas.

    python benchmarks/contrastive.py [--batch 4096] [--dim 128] [--rounds 3]

Value and backward pass. Peak memory is the growth of the process's largest resident size, each contender in a process
of its own; time is the processor's, the contenders taking turns within one process, ratios are medians over rounds.
Run it with OMP_NUM_THREADS=1.
"""

import argparse
import multiprocessing
import re
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from medvl.losses import chunked_clip, chunked_nt_xent

SCALE = 1 / 0.07


def clip(one, two):
    logits = one @ two.T * SCALE
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def nt_xent(one, two):
    views = torch.cat([one, two])
    logits = views @ views.T * SCALE
    logits = logits.masked_fill(torch.eye(len(views), dtype=torch.bool), float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(views)).roll(len(one)))


CONTENDERS = {
    "CLIP": (clip, lambda one, two: chunked_clip(one, two, one, two, SCALE)),
    "NT-Xent": (nt_xent, lambda one, two: chunked_nt_xent(one, two, one, two, SCALE)),
}


def features(batch, dim):
    torch.manual_seed(0)
    return [F.normalize(torch.randn(batch, dim), dim=1).requires_grad_() for _ in range(2)]


def step(loss, pair):
    """(seconds, loss, gradients)."""
    start = time.process_time()
    value = loss(*pair)
    found = torch.autograd.grad(value, pair)
    return time.process_time() - start, (value.detach(), *found)


def peak_megabytes(name, which, batch, dim, answer):
    loss = CONTENDERS[name][which]
    step(loss, features(8, dim))  # what the first step loads is no part of the loss
    pair = features(batch, dim)
    before = largest()
    step(loss, pair)
    answer.put(largest() - before)


def largest():
    """Largest resident size so far, in MB. Not from getrusage, which begins with that of the parent (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def alone(*job):
    """Peak memory of a contender, measured in a fresh process."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=peak_megabytes, args=(*job, answer))
    process.start()
    found = answer.get(timeout=600)
    process.join()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    pair = features(asked.batch, asked.dim)
    for name, (plain, chunked) in CONTENDERS.items():
        seconds = []
        for _ in range(asked.rounds):
            slow, expected = step(plain, pair)
            fast, found = step(chunked, pair)
            seconds.append((slow, fast))
            for ours, theirs in zip(found, expected, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
        memory = [alone(name, which, asked.batch, asked.dim) for which in (0, 1)]
        times = [statistics.median(side) for side in zip(*seconds, strict=True)]
        ratio = statistics.median(fast / slow for slow, fast in seconds)
        print(
            f"{name:8} B {asked.batch}   plain +{memory[0]:5.0f} MB {times[0]:6.2f} s   "
            f"chunked +{memory[1]:5.0f} MB {times[1]:6.2f} s   time ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
