"""Writing a report with MedViLL: keys and values kept, beside computing everything anew for every word.

    python benchmarks/medvill_decoding.py [--tokens 64] [--reports 1] [--rounds 1] [--counted 128] [--device cpu]

ResNet-50 at 512 pixels, all 256 of its cells, BERT-base with random weights; greedy, and no report ends early. Both
contenders get the image's features, computed once. The one reads `[CLS] image [SEP] words [MASK]` anew for every word,
through the fusion's own forward pass under `seq2seq`; ours computes the last word and a [MASK]. Both score the
vocabulary at the [MASK] alone. They take turns within one process. Time of the processor: run it with
OMP_NUM_THREADS=1 (on a GPU, time on the clock).

First the words of both are compared. Operations are counted by torch's own counter (`torch.utils.flop_counter`) at
these sizes on the meta device, at `--counted` tokens; the image encoder, which both run once, is left out.
"""

import argparse
import time

import torch
from medvl_medvill.fusion import MedViLL
from torch.utils.flop_counter import FlopCounterMode

from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.schemes import seq2seq
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus
from medvl.models.writing.search import FusionWriter
from medvl.models.writing.word_by_word import greedy
from medvl.objectives.vocabulary_head import vocabulary_head

NEVER = -1  # no word ends a report


class Anew:
    """All of the sequence for every word."""

    def __init__(self, model, features, scores):
        self.model, self.features, self.scores = model, features, scores
        self.ids = features["text.ids"]

    def step(self, words):
        if words is not None:
            self.ids = torch.cat([self.ids, words[:, None]], 1)
        ids = torch.cat([self.ids, torch.full_like(self.ids[:, :1], self.model.text.tokenizer.mask)], 1)
        text = {"text.ids": ids, "text.mask": torch.ones_like(ids, dtype=torch.bool)}
        return self.scores(self.model.fusion(self.model, self.features | text)["joint.text"][:, -1])


def build(device):
    torch.manual_seed(0)
    with torch.device(device):
        model = Model(TimmEncoder(512, model="resnet50"), BertEncoder(Corpus(), weights="none", max_length=255))
        model.fusion = MedViLL(model, mask=seq2seq)
        head = vocabulary_head(model, "joint.text", "benchmark")
    return model.eval(), head.eval()


def features_of(model, reports, device):
    tokenizer = model.text.tokenizer
    images = torch.rand(reports, 1, 512, 512, device=device)
    begin = torch.full((reports, 1), tokenizer.cls, device=device)
    return model({"image": images}, ("image.tokens",)) | {"text.ids": begin}


def contenders(model, head, features, tokens):
    """Name -> what makes a writer; making ours reads the image part, which belongs to its price."""

    def scores(hidden):
        return head(hidden, model.text.table).float()

    return {
        "anew": lambda: Anew(model, features, scores),
        "kept": lambda: FusionWriter(model, model.fusion.begin(model, features, tokens), scores),
    }


def timed(asked):
    model, head = build(asked.device)
    features = features_of(model, asked.reports, asked.device)
    blank = torch.zeros(asked.reports, asked.tokens, dtype=torch.int64, device=asked.device)
    clock = time.process_time if asked.device == "cpu" else time.perf_counter
    seconds, written = {"anew": 0.0, "kept": 0.0}, {}
    for _ in range(asked.rounds):
        for name, writer in contenders(model, head, features, asked.tokens).items():
            start = clock()
            written[name] = greedy(writer(), blank, NEVER).cpu()
            seconds[name] += clock() - start
    same = (written["anew"] == written["kept"]).float().mean().item()
    anew, kept = (seconds[name] / asked.rounds / asked.reports for name in ("anew", "kept"))
    print(f"{asked.tokens} tokens, {asked.reports} at a time: {same:.1%} of the words equal", flush=True)
    print(f"  s a report: anew {anew:.2f}, kept {kept:.2f}, ratio {anew / kept:.1f}", flush=True)


def counted(tokens):
    model, head = build("meta")
    features = features_of(model, 1, "meta")
    operations = {}
    for name, make in contenders(model, head, features, tokens).items():
        with FlopCounterMode(display=False) as counter:
            writer, words = make(), None
            for _ in range(tokens):
                words = writer.step(words).argmax(1)
        operations[name] = counter.get_total_flops() / 1e9
    ratio = operations["anew"] / operations["kept"]
    print(f"{tokens} tokens, GFLOP: anew {operations['anew']:.0f}, kept {operations['kept']:.0f}, ratio {ratio:.1f}")


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--reports", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--counted", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    counted(asked.counted)
    timed(asked)


if __name__ == "__main__":
    main()
