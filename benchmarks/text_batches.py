"""What text costs: tokens of a batch that mean something, making batches, and hiding words.

    python benchmarks/text_batches.py --cases 60000

Texts are as long as reports: log-normal with mean 59, median 50 and 95 % up to 134 tokens, cut at 253.

- useful tokens: the share of a batch that is no padding, over an epoch of batches of 32 and 256. Padded to 253 and to
  128, as the papers' code does; to the longest of a random batch; and medvl's `sort_window`.
- batches: time to make one on the host: medvl's Feeder with `sort_window` beside a DataLoader that pads every text to
  253 and collates, on one worker, as the papers' code does.
- words hidden: whole words of a batch at once, draws included, beside a loop over words on the elements of
  a tensor, as released code does it. Both hide the same words. Time of the processor.

The contenders take turns within one process; ratios are medians over rounds. Run it with OMP_NUM_THREADS=1.
"""

import argparse
import statistics
import time
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from medvl.data.cases import CaseArrays, TokenArrays
from medvl.data.feed import Feeder
from medvl.data.random import SampleRandom
from medvl.data.word_masking import draw_words, mask_whole_words

VOCABULARY, CLS, SEP, HIDE, LONGEST = 30_000, 2, 3, 4, 253
CONTINUES = torch.arange(VOCABULARY) % 3 == 2  # a third of the pieces continue a word
CONTINUES[:5] = False


def reports(cases):
    """Token ids of reports, as `Tokenizer.encode` gives them."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(np.log(50), 0.6, cases).astype(np.int64), 2, LONGEST)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = random.integers(5, VOCABULARY, offsets[-1]).astype(np.uint16)
    ids[offsets[:-1]], ids[offsets[1:] - 1] = CLS, SEP
    return TokenArrays(ids, offsets)


def feeder(tokens, batch, window=None):
    cases = CaseArrays(np.arange(len(tokens.offsets) - 1), tokens=tokens)
    return Feeder(cases, {}, batch_size=batch, device="cpu", seed=0, sort_window=window)


def useful(tokens, batch, window=None, length=None):
    """The share of real tokens in an epoch; `length` pads or cuts all texts to it."""
    real = total = 0
    feed = feeder(tokens, batch, window)
    with closing(feed.train()) as steps:
        for (made,) in islice(steps, feed.steps_per_epoch):
            lengths = made["text.mask"].sum(1)
            real += int(lengths.clamp(max=length or LONGEST).sum())
            total += batch * (length or made["text.mask"].shape[1])
    return real / total


class Padded(Dataset):
    """One text at a time, padded to the longest there is."""

    def __init__(self, tokens):
        self.tokens = tokens

    def __len__(self):
        return len(self.tokens.offsets) - 1

    def __getitem__(self, index):
        start, end = self.tokens.offsets[index], self.tokens.offsets[index + 1]
        ids, mask = torch.zeros(LONGEST, dtype=torch.int64), torch.zeros(LONGEST, dtype=torch.bool)
        ids[: end - start] = torch.from_numpy(self.tokens.ids[start:end].astype(np.int64))
        mask[: end - start] = True
        return ids, mask


def per_batch(batches, count):
    """Seconds a batch, after two that start threads and fill queues."""
    with closing(batches):
        list(islice(batches, 2))
        start = time.perf_counter()
        list(islice(batches, count))
        return (time.perf_counter() - start) / count


def loader(tokens, batch):
    yield from DataLoader(Padded(tokens), batch, shuffle=True, num_workers=1, drop_last=True)


def loop(ids, mask, draws):
    """Whole words, one text and one word after the other, on the elements of tensors as samples come to a dataset."""
    found = ids.clone()
    for text, original, real, numbers in zip(found, ids, mask, draws, strict=True):
        for place in range(1, len(text) - 1):
            if not real[place]:
                break
            hidden = text[place - 1] == HIDE if CONTINUES[original[place]] else numbers[place] < 0.5
            if hidden:
                text[place] = HIDE
    return found


def hide(tokens, batch, settings):
    """(seconds, seconds) of the processor a text, by medvl and by the loop."""
    rows = np.random.default_rng(1).integers(0, settings.cases, batch)
    ids, mask = (torch.from_numpy(part) for part in tokens.batch(rows))
    start = time.process_time()
    for _ in range(50):
        draws = torch.from_numpy(draw_words(SampleRandom(0, 0, rows, "words"), ids.shape[1]))
        ours = mask_whole_words(ids, mask, draws, continues=CONTINUES, hide=HIDE).ids
    middle = time.process_time()
    assert ours.equal(loop(ids, mask, draws))
    return (middle - start) / 50 / batch, (time.process_time() - middle) / batch


def compared(name, unit, scale, pairs):
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    ours, theirs = (statistics.median(side) * scale for side in zip(*pairs, strict=True))
    print(f"  {name:22} medvl {ours:9.3f} {unit}   other {theirs:9.3f} {unit}   ratio {ratio:,.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=60_000)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--batches", type=int, default=40, help="timed in each round")
    parser.add_argument("--rounds", type=int, default=5)
    settings = parser.parse_args()
    tokens = reports(settings.cases)
    for batch in (32, 256):
        shares = {
            "to 253": useful(tokens, batch, length=LONGEST),
            "to 128": useful(tokens, batch, length=128),
            "to the longest": useful(tokens, batch),
            f"sort_window {settings.window}": useful(tokens, batch, window=settings.window),
        }
        print(
            f"batches of {batch}: useful tokens " + "   ".join(f"{name} {share:.1%}" for name, share in shares.items())
        )
        rounds = range(settings.rounds)
        made = [
            (
                per_batch(feeder(tokens, batch, settings.window).train(), settings.batches),
                per_batch(loader(tokens, batch), settings.batches),
            )
            for _ in rounds
        ]
        compared("a batch, beside loader", "ms", 1e3, made)
        compared("words hidden, a text", "us", 1e6, [hide(tokens, batch, settings) for _ in rounds])


if __name__ == "__main__":
    main()
