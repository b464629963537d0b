"""What an attention mask costs: a transformer under each scheme beside the same without any mask.

    python benchmarks/mask_cost.py [--layers 4] [--batch 4] [--tokens 182 64] [--rounds 7] [--device cpu]

Forward and backward of a random BERT of width 768 over a joint sequence (image part and text; texts of uneven lengths),
through `TextEncoder.joint`; the mask is made anew in every pass. `none` is SDPA without a mask, which lets padding be
seen. On CUDA, in bf16, also with FlexAttention's block masks (`attention: flex`). The contenders take turns within one
process; ratios are medians over rounds. Time of the processor on a CPU, run it with OMP_NUM_THREADS=1 there.
"""

import argparse
import statistics
import time

import torch

from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.attention import SchemeMask
from medvl.models.masks.layout import Layout
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from medvl.models.tokenizer import Corpus

SCHEMES = {"bidirectional": bidirectional, "seq2seq": seq2seq, "bar": bar, "non_crossing": NonCrossing()}


def encoder(attention, asked):
    torch.manual_seed(0)
    sizes = {"layers": asked.layers, "width": 768, "vocab_size": 100, "positions": 512}
    return BertEncoder(Corpus(), weights="none", attention=attention, dropout=0.0, **sizes).to(asked.device)


def contenders(asked):
    """name -> (encoder, scheme or None)."""
    plain = encoder("sdpa", asked)
    found = {"none": (plain, None)} | {name: (plain, scheme) for name, scheme in SCHEMES.items()}
    if asked.device == "cuda":
        flexed = encoder("flex", asked)
        found |= {f"{name}, blocks": (flexed, scheme) for name, scheme in SCHEMES.items()}
    return found


def step(model, scheme, layout, device):
    """Seconds of a forward and backward pass."""
    embeddings = torch.randn(len(layout.lengths), layout.size, model.width, device=device)
    positions = torch.arange(layout.size, device=device)[None]
    segments = (positions >= layout.prefix).long()
    start = clock(device)
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        if scheme is None:
            tokens = model.transformer(
                inputs_embeds=embeddings, position_ids=positions, token_type_ids=segments
            ).last_hidden_state
        else:
            tokens = model.joint(embeddings, positions, segments, SchemeMask(scheme, layout))
        tokens.float().square().mean().backward()
    spent = clock(device) - start
    model.zero_grad()
    return spent


def clock(device):
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, nargs=2, default=(182, 64), metavar=("IMAGE", "TEXT"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    asked = parser.parse_args()
    prefix, text = asked.tokens
    lengths = torch.linspace(text // 2, text, asked.batch, device=asked.device).long()
    layout, found = Layout(prefix, text, lengths), contenders(asked)
    for _ in range(2):  # the first pass allocates and compiles
        for model, scheme in found.values():
            step(model, scheme, layout, asked.device)
    seconds = {name: [] for name in found}
    for _ in range(asked.rounds):
        for name, (model, scheme) in found.items():
            seconds[name].append(step(model, scheme, layout, asked.device))
    print(f"{prefix} + {text} positions, batch {asked.batch}, {asked.layers} layers, {asked.device}; ratios to none")
    for name, spent in seconds.items():
        ratio = statistics.median(mine / bare for mine, bare in zip(spent, seconds["none"], strict=True))
        print(f"  {name:22} {1000 * statistics.median(spent):8.1f} ms   {ratio:.2f}")


if __name__ == "__main__":
    main()
