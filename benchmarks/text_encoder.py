"""What a text encoder computes: real tokens only, beside padding to the longest report and to 253.

    python benchmarks/text_encoder.py [--layers 4] [--width 768] [--batch 16] [--rounds 5]

A training step (forward, backward, no dropout) of a random BERT on texts as long as reports: log-normal, mean about 60,
cut at 253. All contenders get the same texts and must give the same [CLS] to 1e-5. The padded ones are Hugging Face's
own forward with SDPA and a boolean mask. They take turns within one process; ratios are medians over rounds, each
round with texts of its own. Time of the processor: run it with OMP_NUM_THREADS=1.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from transformers import BertConfig, BertModel

from medvl.models.packing import PackedTexts, encode

LONGEST, VOCABULARY = 253, 5000


def reports(random, batch):
    """(batch, 253) ids and mask."""
    lengths = np.clip(random.lognormal(np.log(50), 0.6, batch).astype(np.int64), 2, LONGEST)
    mask = torch.arange(LONGEST) < torch.from_numpy(lengths)[:, None]
    return torch.from_numpy(random.integers(5, VOCABULARY, mask.shape)) * mask, mask


def padded(model, ids, mask):
    return model(input_ids=ids, attention_mask=mask[:, None, None]).last_hidden_state[:, 0]


def to_longest(model, ids, mask):
    columns = int(mask.sum(1).max())
    return padded(model, ids[:, :columns], mask[:, :columns])


def all_tokens(model, ids, mask):
    texts = PackedTexts(mask)
    return texts.unpack(encode(model, ids, texts))[:, 0]


def first_tokens(model, ids, mask):
    return encode(model, ids, PackedTexts(mask), first_only=True)


def step(model, contender, ids, mask):
    """(seconds, (batch, width) of [CLS])."""
    model.zero_grad()
    start = time.process_time()
    found = contender(model, ids, mask)
    found.square().sum().backward()
    return time.process_time() - start, found.detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=VOCABULARY, hidden_size=asked.width, num_hidden_layers=asked.layers,
            num_attention_heads=asked.width // 64, intermediate_size=4 * asked.width,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip
    contenders = {"to 253": padded, "to the longest": to_longest, "packed": all_tokens, "packed, [CLS]": first_tokens}
    random = np.random.default_rng(0)
    seconds = {name: [] for name in contenders}
    useful = []
    step(model, padded, *reports(random, 2))  # the first step allocates
    for _ in range(asked.rounds):
        ids, mask = reports(random, asked.batch)
        useful.append(float(mask.float().mean()))
        found = {}
        for name, contender in contenders.items():
            spent, found[name] = step(model, contender, ids, mask)
            seconds[name].append(spent)
        for one in found.values():
            torch.testing.assert_close(one, found["to 253"], rtol=0, atol=1e-5)
    print(f"{statistics.mean(useful):.0%} of 253 columns are tokens; CPU s a step of {asked.batch}, and ratios to it")
    for name, spent in seconds.items():
        others = [
            statistics.median(theirs / own for theirs, own in zip(seconds[other], spent, strict=True))
            for other in ("to 253", "to the longest")
        ]
        print(
            f"  {name:16} {statistics.median(spent):7.2f}   to 253 {others[0]:5.2f}   to the longest {others[1]:5.2f}"
        )


if __name__ == "__main__":
    main()
