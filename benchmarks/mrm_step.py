"""MRM's pre-training step at the paper's sizes, beside the step of the released code.

    OMP_NUM_THREADS=1 python benchmarks/mrm_step.py [--batch 4] [--rounds 5]     # CPU, fp32
    python benchmarks/mrm_step.py --device cuda [--batch 256] [--rounds 5]

ViT-B/16 over 49 of 196 patches, an image decoder of 4 blocks, a report decoder of 6 layers over a vocabulary of 30,000,
448 pixels restored from 224; texts as long as reports (log-normal, mean about 50, cut at 100), without dropout, so that
losses can be compared. All contenders get the same weights, images, kept patches and hidden words.

The released step is written out here as that code does it: three equal colours, halved in the model; all patches
embedded and most of them dropped again; mask tokens put back into the order of the grid; pixels of all 196 patches,
kept ones too; explicit softmax; texts padded to 100 and scored at every position. Two losses are compared: that of the
released code, where all positions count, and that of the paper, where hidden words count; written out, the latter too
scores all positions, and ignores the others.

On a CPU the contenders take turns in one process, and the ratio is the median of the rounds' ratios of CPU time; the
optimiser is left out, which costs all the same. On a GPU a step has its AdamW: the released one in fp32 with TF32, as
eager PyTorch runs it, ours in bf16 and compiled; the share of the ideal is of a GPU that does nothing but the 70.3
GFLOP a sample that the paper's loss needs, at 790 TFLOP/s.
"""

import argparse
import copy
import statistics
import time
from functools import partial

import numpy as np
import timm
import torch
import torch.nn.functional as F
from medvl_mrm.objective import MRM
from torch import nn
from transformers import BertModel

from medvl.data import warp
from medvl.engine.trainable import Trainable
from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.channels import to_three_channels
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus

SIZE, LENGTH, WORDS = 224, 100, 30_000
IDEAL = 790e12 / 70.3e9  # samples a second


class Ours(nn.Module):
    def __init__(self, preset):
        super().__init__()
        text = BertEncoder(
            Corpus(), weights="none", layers=6, width=384, heads=6, intermediate=1536, positions=LENGTH,
            vocab_size=WORDS, max_length=LENGTH, dropout=0.0,
        )  # fmt: skip
        model = Model(TimmEncoder(SIZE, model="vit_base_patch16_224", positions="sincos"), text)
        self.trainable = Trainable(model, MRM(model, preset=preset, channels=3, tied=False, positions="sincos"))
        self._remember(self.trainable.objective)

    def _remember(self, objective):
        """Which patches were kept and what was hidden, for the other contender."""
        split, hide = objective.split, objective.hide_words

        def remembered_split(*given):
            self.patches = split(*given)
            return self.patches

        def remembered_words(*given):
            self.words = hide(*given)
            return self.words

        self.forget = partial(vars(objective).update, split=split, hide_words=hide)
        vars(objective).update(split=remembered_split, hide_words=remembered_words)

    def forward(self, batch):
        high = batch["high"]
        given = {"image": warp.halved(high, antialias=False), "image_high": high}
        return self.trainable(given | {name: value for name, value in batch.items() if name.startswith("text.")})


class Released(nn.Module):
    """The released step, with the weights of `ours`."""

    def __init__(self, ours):
        super().__init__()
        model, objective = ours.trainable.model, ours.trainable.objective
        encoder, text = model.image, model.text
        self.vit = timm.create_model("vit_base_patch16_224", num_classes=0, in_chans=3)
        self.vit.load_state_dict(to_three_channels(encoder.net.state_dict(), encoder.first_convolutions))
        self.vit.pos_embed.requires_grad_(False)
        self.decoder = copy.deepcopy(objective.image_decoder)
        self.bert = BertModel._from_config(copy.deepcopy(text.transformer.config), attn_implementation="eager")
        self.bert.load_state_dict(text.transformer.state_dict())
        self.to_report, self.words = (
            copy.deepcopy(objective.report_projection),
            copy.deepcopy(objective.vocabulary_head),
        )
        self.rules = objective.rules
        for block in [*self.vit.blocks, *self.decoder.blocks]:
            block.attn.fused_attn = False
        self.vit.train(), self.bert.train()

    def forward(self, batch, patches, words):
        high, (kept, removed) = batch["high"].expand(-1, 3, -1, -1).contiguous(), patches
        low = F.interpolate(high, SIZE, mode="bicubic", align_corners=False)
        tokens = self._encode(low, kept)
        restored = self._decode(tokens, kept, removed)
        target = _patches(high)
        if self.rules.normalise_targets:
            mean, variance = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
            target = (target - mean) / (variance + 1e-6).sqrt()
        gone = torch.zeros(restored.shape[:2], device=high.device).scatter(1, removed, 1.0)
        image = ((restored - target).square().mean(-1) * gone).sum() / gone.sum()
        return {"image": image, "report": self._report(batch, words, tokens[:, 1:])}

    def _encode(self, low, kept):
        embedded = self.vit.patch_embed(low) + self.vit.pos_embed[:, 1:]
        seen = embedded.gather(1, kept[..., None].expand(-1, -1, embedded.shape[2]))
        first = (self.vit.cls_token + self.vit.pos_embed[:, :1]).expand(len(low), -1, -1)
        return self.vit.norm(self.vit.blocks(torch.cat([first, seen], 1)))

    def _decode(self, tokens, kept, removed):
        seen, decoder = self.decoder.embed(tokens), self.decoder
        filled = torch.cat([seen[:, 1:], decoder.mask_token.expand(len(seen), removed.shape[1], -1)], 1)
        order = torch.cat([kept, removed], 1).argsort(1)
        filled = filled.gather(1, order[..., None].expand(-1, -1, filled.shape[2]))
        joined = torch.cat([seen[:, :1], filled + decoder.positions], 1)
        for block in decoder.blocks:
            joined = block(joined)
        return decoder.predict(decoder.norm(joined))[:, 1:]

    def _report(self, batch, words, patches):
        seen, gone = (_padded(value.long()) for value in words)
        labels, mask = _padded(batch["text.ids"]), _padded(batch["text.mask"].long())
        vectors = self.to_report(patches).mean(1, keepdim=True)
        if self.rules.fuse == "visible":
            vectors = vectors * (1 - gone[..., None])
        if self.rules.score == "hidden":
            labels = labels.masked_fill(gone == 0, -100)
        embedded = self.bert.embeddings(input_ids=seen) + vectors
        bias = (1.0 - mask[:, None, None].to(embedded.dtype)) * torch.finfo(embedded.dtype).min
        hidden = embedded
        for layer in self.bert.encoder.layer:
            given = layer(hidden, attention_mask=bias)
            hidden = given[0] if isinstance(given, tuple) else given
        scores = self.words(hidden, self.bert.embeddings.word_embeddings.weight)  # (B, T, V)
        return F.cross_entropy(scores.flatten(0, 1), labels.flatten())


def _padded(value):
    return F.pad(value, (0, LENGTH - value.shape[1]))


def _patches(high):
    """(B, 3, S, S) -> (B, N, 32 32 3) by row, column, channel."""
    cells = high.unflatten(2, (14, 32)).unflatten(4, (14, 32))
    return torch.einsum("bchpwq->bhwpqc", cells).flatten(3).flatten(1, 2)


def reports(random, batch, device):
    """Radiographs, and `[CLS] words` as long as the longest of them."""
    lengths = torch.from_numpy(np.clip(random.lognormal(np.log(45), 0.5, batch), 2, LENGTH).astype(np.int64))
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.from_numpy(random.integers(1000, WORDS, mask.shape)) * mask
    ids[:, 0] = 2
    high = torch.from_numpy(random.standard_normal((batch, 1, 2 * SIZE, 2 * SIZE), dtype=np.float32))
    return {name: value.to(device) for name, value in (("high", high), ("text.ids", ids), ("text.mask", mask))}


def compare_losses(name, ours, straight, batch):
    with torch.no_grad():
        mine = ours(batch)
        theirs = straight(batch, ours.patches, ours.words)
    each = ", ".join(f"{loss} {theirs[loss]:.5f} and {mine[loss]:.5f}" for loss in mine)
    print(f"{name} loss: {each}", flush=True)


def on_cpu(asked):
    pairs = contenders("cpu")
    random = np.random.default_rng(0)
    for name, (ours, straight) in pairs.items():
        compare_losses(name, ours, straight, reports(random, asked.batch, "cpu"))
    seconds = {name: [] for name in pairs}
    for number in range(asked.rounds + 1):
        batch = reports(random, asked.batch, "cpu")
        for name, (ours, straight) in pairs.items():
            with torch.no_grad():
                ours(batch)  # draws
            runs = [partial(straight, batch, ours.patches, ours.words), partial(ours, batch)]
            spent = [cpu_step(run) for run in (runs if number % 2 else runs[::-1])]
            seconds[name].append(spent if number % 2 else spent[::-1])
            ours.zero_grad(), straight.zero_grad()
    for name, found in seconds.items():
        found = found[1:]  # the first warms up
        ratio = statistics.median(theirs / mine for theirs, mine in found)
        theirs, mine = (statistics.median(side) / asked.batch for side in zip(*found, strict=True))
        print(
            f"{name} loss, CPU s a sample: written out {theirs:.2f}, ours {mine:.2f}, ratio {ratio:.2f} (median of "
            f"{len(found)} pairs)",
            flush=True,
        )


def cpu_step(run):
    start = time.process_time()
    sum(run().values()).backward()
    return time.process_time() - start


def on_cuda(asked):
    torch.set_float32_matmul_precision("high")  # TF32
    random = np.random.default_rng(0)
    batches = [reports(random, asked.batch, "cuda") for _ in range(4)]
    for name, (ours, straight) in contenders("cuda").items():
        compare_losses(name, ours, straight, batches[0])
        words = [ours(batch) and ours.words for batch in batches]
        eager = rate(straight, partial(straight_step, straight, batches, ours.patches, words), asked, bf16=False)
        ours.forget()
        ours.trainable.compile()
        found = rate(ours, lambda number, own=ours: own(batches[number]), asked, bf16=True)
        print(
            f"{name} loss, samples a second: written out, eager, TF32 {eager:.0f}; ours, bf16, compiled {found:.0f}, "
            f"{found / eager:.1f} times as many, {found / IDEAL:.0%} of the ideal",
            flush=True,
        )


def straight_step(straight, batches, patches, words, number):
    return straight(batches[number], patches, words[number])


def rate(module, run, asked, *, bf16):
    """Samples a second, the median of the rounds, of ten steps each."""
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-5, fused=True)
    found = []
    for _ in range(asked.rounds + 2):  # the first two compile and warm up
        torch.cuda.synchronize()
        start = time.perf_counter()
        for number in range(10):
            with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
                losses = run(number % 4)
            sum(losses.values()).backward()
            optimizer.step()
            optimizer.zero_grad()
        torch.cuda.synchronize()
        found.append(10 * asked.batch / (time.perf_counter() - start))
    return statistics.median(found[2:])


def contenders(device):
    """Loss -> ours, and the same written out."""
    found = {}
    for name, preset in (("released", "released"), ("paper's", "paper")):
        torch.manual_seed(0)
        ours = Ours(preset)
        found[name] = (ours.to(device), Released(ours).to(device))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    asked.batch = asked.batch or (4 if asked.device == "cpu" else 256)
    {"cpu": on_cpu, "cuda": on_cuda}[asked.device](asked)


if __name__ == "__main__":
    main()
