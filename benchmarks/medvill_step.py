"""MedViLL's pre-training step at the paper's sizes, beside the step of the released code.

    python benchmarks/medvill_step.py [--cnn frozen trained] [--batch 2] [--rounds 3] [--size 512]

ResNet-50 at 512 pixels, 180 of its 256 cells, BERT-base, texts as long as reports (log-normal, mean about 60, cut at
253) in batches of like length (`sort_window: 50`); forward and backward, without dropout, so that losses can be
compared. Both get the same weights, images, hidden words, pairs and drawn cells. The optimiser is left out: it costs
both the same, next to nothing a sample at the paper's batch of 128, and much at the few samples that fit here.

The released step is written out here as that code does it: three equal colours, texts padded to 253, a 436 x 436 int64
mask a sample turned into additive numbers, explicit softmax that keeps every probability map, and scores of the whole
vocabulary at all 436 positions. Ours is the plugin under `one_pass`. The contenders take turns within one process, and
each round has texts of another length, so that all of them stand for the reports; the ratio is of the sums. Time of the
processor: run it with OMP_NUM_THREADS=1.

First the losses: under `seq2seq` no real position sees padding, and both agree; under `bar` as released the image sees
padding, of which ours has less, so there they differ.
"""

import argparse
import copy
import time
from functools import partial

import numpy as np
import timm
import torch
import torch.nn.functional as F
from medvl_medvill.fusion import MedViLL
from torch import nn
from transformers import BertModel

from medvl.contract import DataSpec
from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.channels import to_three_channels
from medvl.models.masks.schemes import bar, seq2seq
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus
from medvl.objectives.masked_language import MaskedLanguageModelling
from medvl.objectives.one_pass import OnePass
from medvl.objectives.report_matching import ReportMatching

LONGEST, SAMPLED, WINDOW, LABELS = 253, 180, 50, ("a", "b", "c")
SCHEMES = {"seq2seq": seq2seq, "bar as released": partial(bar, clean=False)}


class Ours(nn.Module):
    def __init__(self, size, sampled, frozen):
        super().__init__()
        text = BertEncoder(Corpus(), weights="none", max_length=LONGEST + 2, dropout=0.0)
        self.model = Model(TimmEncoder(size, model="resnet50"), text)
        self.model.image.requires_grad_(not frozen)
        self.model.fusion = MedViLL(self.model, preset="released", sampled=sampled, mask=seq2seq)
        words = MaskedLanguageModelling(self.model, at_least_one=True)
        self.objective = OnePass(terms={"mlm": words, "matching": ReportMatching(self.model, DataSpec(labels=LABELS))})
        self.corrupted, self.drawn = {}, None
        self._remember(words)

    def _remember(self, words):
        """What was hidden and which cells were drawn, for the other contender."""
        judge, draw = words.judge, self.model.fusion.draw

        def judged(model, features, batch):
            self.corrupted = batch
            return judge(model, features, batch)

        def drawn(tokens, device):
            self.drawn = draw(tokens, device)
            return self.drawn

        words.judge, self.model.fusion.draw = judged, drawn

    def forward(self, batch):
        return self.objective(self.model, batch)


class Released(nn.Module):
    """The released step, with the weights of `ours`."""

    def __init__(self, ours):
        super().__init__()
        encoder = ours.model.image
        self.cnn = timm.create_model("resnet50", num_classes=0, in_chans=3)
        self.cnn.load_state_dict(to_three_channels(encoder.net.state_dict(), encoder.first_convolutions))
        self.cnn.requires_grad_(next(encoder.parameters()).requires_grad)
        text, terms = ours.model.text, ours.objective.terms
        self.bert = BertModel._from_config(copy.deepcopy(text.transformer.config), attn_implementation="eager")
        self.bert.load_state_dict(text.transformer.state_dict())
        self.project = copy.deepcopy(ours.model.fusion.project)
        self.words, self.matching = copy.deepcopy(terms["mlm"].head), copy.deepcopy(terms["matching"].head)
        tokenizer = text.tokenizer
        self.ends = torch.tensor([[tokenizer.cls, tokenizer.sep]])

    def forward(self, corrupted, drawn, scheme):
        ids, mask, labels = (self._padded(value) for value in self._text(corrupted))
        table = self.bert.embeddings.word_embeddings
        cells = self.cnn.forward_features(corrupted["image"].expand(-1, 3, -1, -1)).flatten(2).transpose(1, 2)
        ends = table(self.ends).expand(len(ids), -1, -1)
        joined = torch.cat([ends[:, :1], self.project(cells[:, drawn]), ends[:, 1:], table(ids)], 1)
        end, prefix = torch.zeros(1, dtype=torch.int64), len(drawn) + 2
        positions = torch.cat([end, drawn, end, torch.arange(ids.shape[1])])[None]
        hidden = self.bert(
            inputs_embeds=joined, position_ids=positions,
            token_type_ids=(torch.arange(joined.shape[1]) >= prefix).long()[None],
            attention_mask=self._bias(mask, prefix, scheme), output_attentions=True,
        )  # fmt: skip
        scores = self.words(hidden.last_hidden_state, table.weight)  # (B, S, V)
        labels = F.pad(labels, (prefix, 0), value=-100)
        return {
            "mlm.mlm": F.cross_entropy(scores.transpose(1, 2), labels, ignore_index=-100),
            "matching.matching": F.cross_entropy(self.matching(hidden.pooler_output), corrupted["matched"].long()),
        }

    def _text(self, corrupted):
        labels = torch.where(corrupted["text.hidden"], corrupted["text.original"], -100)
        return corrupted["text.ids"][:, 1:], corrupted["text.mask"][:, 1:].long(), labels[:, 1:]

    def _padded(self, value):
        fill = -100 if value.min() < 0 else 0
        return F.pad(value, (0, LONGEST + 1 - value.shape[1]), value=fill)

    def _bias(self, mask, prefix, scheme):
        """A mask a sample, numbers for attention of all."""
        masks = []
        for real in mask.sum(1).tolist():
            size = prefix + mask.shape[1]
            allow = torch.tril(torch.ones(size, size, dtype=torch.int64))
            allow[:, :prefix] = 1
            if scheme == "seq2seq":
                allow[:, prefix + real :] = 0
            else:
                allow[:prefix] = 1
            masks.append(allow)
        return (1.0 - torch.stack(masks)[:, None].float()) * -10000.0


def reports(random, batch, size, vocabulary, share):
    """Images, `[CLS] words [SEP]` as long as the longest of them, labels.

    `share` of all batches of the window have shorter texts than this one.
    """
    window = np.sort(np.clip(random.lognormal(np.log(50), 0.6, WINDOW * batch).astype(np.int64), 2, LONGEST) + 2)
    lengths = window.reshape(WINDOW, batch)[int(share * WINDOW)]
    mask = torch.arange(lengths.max()) < torch.from_numpy(lengths)[:, None]
    ids = torch.from_numpy(random.integers(1000, vocabulary, mask.shape)) * mask
    ids[:, 0], ids[torch.arange(batch), torch.from_numpy(lengths) - 1] = 2, 3
    image = torch.from_numpy(random.standard_normal((batch, 1, size, size), dtype=np.float32))
    labels = torch.from_numpy(random.integers(0, 2, (batch, len(LABELS)))).float()
    return {"image": image, "text.ids": ids, "text.mask": mask, "labels": labels}


def step(contender, forward):
    """CPU seconds."""
    start = time.process_time()
    losses = forward()
    sum(losses.values()).backward()
    spent = time.process_time() - start
    contender.zero_grad()
    return spent


def compare_losses(ours, released, batch):
    for name, scheme in SCHEMES.items():
        ours.model.fusion.mask = scheme
        with torch.no_grad():
            mine, theirs = ours(batch), released(ours.corrupted, ours.drawn, name)
        each = ", ".join(f"{loss} {theirs[loss]:.5f} and {mine[loss]:.5f}" for loss in mine)
        print(f"  losses of the released step and of ours under {name}: {each}", flush=True)


def measure(asked, cnn):
    torch.manual_seed(0)
    ours = Ours(asked.size, min(SAMPLED, (asked.size // 32) ** 2), cnn == "frozen")
    released = Released(ours)
    random = np.random.default_rng(0)
    draw = partial(reports, random, asked.batch, asked.size, ours.model.text.tokenizer.size)
    print(f"CNN {cnn}, batch {asked.batch}", flush=True)
    compare_losses(ours, released, draw(0.5))
    seconds = []
    for number in range(asked.rounds):
        batch = draw((number + 0.5) / asked.rounds)
        mine = step(ours, partial(ours, batch))
        theirs = step(released, partial(released, ours.corrupted, ours.drawn, "bar as released"))
        seconds.append((theirs, mine))
    theirs, mine = (sum(side) / asked.rounds / asked.batch for side in zip(*seconds, strict=True))
    print(f"  CPU s a sample: released {theirs:.2f}, ours {mine:.2f}, ratio {theirs / mine:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cnn", nargs="+", choices=("frozen", "trained"), default=("frozen", "trained"))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    asked = parser.parse_args()
    for cnn in asked.cnn:
        measure(asked, cnn)


if __name__ == "__main__":
    main()
