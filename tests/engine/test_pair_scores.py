"""Every image of a pool with every text: equal to a plain loop, whatever the batches and processes; and it learns."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from medvl import Cases, DataSpec
from medvl.engine import pair_scores
from medvl.engine.pair_scores import Share, score_pools
from medvl.engine.trainable import Trainable
from medvl.errors import ConfigError
from medvl.evaluate.pools import pools
from medvl.evaluate.retrieval import Retrieval
from medvl.models.base import Model
from medvl.models.late_fusion import Concat
from medvl.objectives.report_matching import ReportMatching
from medvl.plugins import Plugins
from medvl.testkit.workbench import Workbench, evaluating, train
from tests import small

POOLS = np.array([[6, 1, 4], [0, 5, 3]])
FUSIONS = [{"name": "medvill"}, {"name": "medvill", "mask": "bidirectional"}, {"name": "mmbt"}, {"name": "concat"}]


def fabric(rank=0, world=1):
    return SimpleNamespace(device=torch.device("cpu"), autocast=nullcontext, global_rank=rank, world_size=world)


def feeders(batch, size=2):
    """As the engine feeds: cases in the order asked for, texts as long as the longest of their batch."""

    def feeder(members):
        parts = [
            {name: value[torch.as_tensor(members[at : at + size])] for name, value in batch.items()}
            for at in range(0, len(members), size)
        ]
        for part in parts:
            longest = int(part["text.mask"].sum(1).max()) if "text.mask" in part else None
            part |= {name: value[:, :longest] for name, value in part.items() if name.startswith("text.")}
        return SimpleNamespace(once=lambda: (part for part in parts))

    return feeder


def looped(trainable, batch, drawn):
    """One pair at a time, its image and its text straight through everything."""
    scores = np.zeros((*drawn.shape, drawn.shape[1]), np.float32)
    for number, members in enumerate(drawn):
        for row, image in enumerate(members):
            for column, text in enumerate(members):
                one = {
                    name: value[[text if name.startswith("text.") else image]]
                    for name, value in batch.items()
                    if name != "labels"
                }
                length = int(one["text.mask"].sum())
                one |= {name: value[:, :length] for name, value in one.items() if name.startswith("text.")}
                scores[number, row, column] = trainable.score_pairs(trainable.halves(one)).item()
    return scores


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: fusion["name"] + fusion.get("mask", ""))
@pytest.mark.parametrize("pairs", [1, 4, 100])
def test_equals_a_loop_over_pairs(fusion, pairs):
    bench = Workbench.of(Plugins(()), {"name": "report_matching"}, {"fusion": fusion})
    trainable, batch = bench.build(), bench.batch(rows=7)
    with evaluating(trainable):
        expected = looped(trainable, batch, POOLS)
        found = score_pools(fabric(), trainable, POOLS, feeders(batch), pairs=pairs)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_under_seq2seq_a_report_is_not_seen_where_pairs_are_judged():
    bench = Workbench.of(Plugins(()), {"name": "report_matching"}, {"fusion": {"name": "medvill", "mask": "seq2seq"}})
    trainable, batch = bench.build(), bench.batch(rows=7)
    with evaluating(trainable):
        scores = score_pools(fabric(), trainable, POOLS, feeders(batch), pairs=4)
    np.testing.assert_allclose(scores, scores[:, :, :1].repeat(3, axis=2), atol=1e-5)


def test_every_image_is_encoded_once():
    bench = Workbench.of(Plugins(()), {"name": "report_matching"}, {"fusion": {"name": "medvill"}})
    trainable, seen = bench.build(), []
    trainable.model.image.register_forward_hook(lambda module, inputs, out: seen.append(len(inputs[0])))
    with evaluating(trainable):
        score_pools(fabric(), trainable, POOLS, feeders(bench.batch(rows=7)), pairs=4)
    assert sum(seen) == POOLS.size


def test_the_term_of_a_sum_that_scores_pairs_does():
    terms = {"words": {"name": "mlm"}, "matching": {"name": "report_matching"}}
    bench = Workbench.of(Plugins(()), {"name": "one_pass", "terms": terms}, {"fusion": {"name": "medvill"}})
    trainable, batch = bench.build(), bench.batch(rows=7)
    alone = Trainable(trainable.model, trainable.objective.terms["matching"])
    with evaluating(trainable):
        found, expected = (score_pools(fabric(), made, POOLS, feeders(batch), pairs=4) for made in (trainable, alone))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("drawn", [POOLS, POOLS[:1]], ids=["pools are shared", "texts are shared"])
def test_processes_share_the_work(drawn, monkeypatch):
    bench = Workbench.of(Plugins(()), {"name": "report_matching"}, {"fusion": {"name": "concat"}})
    trainable, batch, parts = bench.build(), bench.batch(rows=7), []

    def gather(gathered, own):
        parts.append(own)
        gathered[:] = [own, np.zeros_like(own)]

    monkeypatch.setattr(pair_scores.torch.distributed, "all_gather_object", gather)
    with evaluating(trainable):
        whole = score_pools(fabric(), trainable, drawn, feeders(batch), pairs=4)
        for rank in (0, 1):
            score_pools(fabric(rank, 2), trainable, drawn, feeders(batch), pairs=4)
    assert all(np.count_nonzero(part) < whole.size for part in parts)
    np.testing.assert_allclose(sum(parts), whole, atol=1e-6)
    assert sum(Share.of(len(drawn), rank, 2).pairs(3) for rank in (0, 1)) == whole.size


class Shade(nn.Module):
    """An image's mean brightness, or a text's second word: a case's kind is in both, and in neither alone a match."""

    pooled_width = width = 8

    def __init__(self, of, kinds):
        super().__init__()
        self.of, self.kinds = of, kinds
        self.table = nn.Embedding(kinds, 8)

    def features(self):
        from medvl.contract import Feature

        return [Feature(f"{self.of}.pooled", 8)]

    def forward(self, given, *others):
        kinds = given.mean((1, 2, 3)).round().long() if self.of == "image" else given[:, 1]
        return {"pooled": self.table(kinds)}


def test_it_learns_to_match():
    torch.manual_seed(0)
    kinds = 6
    model = Model()
    model.image, model.text = Shade("image", kinds), Shade("text", kinds)
    model.fusion = Concat(model, width=64, dropout=0.0)
    names = tuple(f"kind {number}" for number in range(kinds))
    objective = ReportMatching(model, DataSpec(labels=names), each="both", swap="either")
    trainable = Trainable(model, objective)

    def cases(count):
        kind = torch.randint(kinds, (count,))
        return {
            "image": kind.float()[:, None, None, None].expand(count, 1, 4, 4),
            "text.ids": torch.stack([torch.zeros_like(kind), kind], 1),
            "text.mask": torch.ones(count, 2, dtype=torch.bool),
            "labels": torch.eye(kinds)[kind],
        }

    tested = cases(60)
    asked = Retrieval(DataSpec(labels=names), pool=20, replicates=0, scores="pairs")

    def mrr():
        with evaluating(trainable):
            scores = score_pools(fabric(), trainable, asked.pools_of(60), feeders(tested, 60), pairs=64)
        rows = np.arange(60)
        result = asked.evaluate(Cases(rows, rows, {"labels": tested["labels"].numpy()}, {"pair_scores": scores}))
        return result.metrics["image_to_report_mrr"], result.metrics["report_to_image_mrr"]

    before = mrr()
    train(trainable, [cases(32) for _ in range(150)], lr=1e-2)
    assert max(before) < 0.7 and min(mrr()) > 0.95


STAGE = small.FINETUNE | {
    "data": small.PHANTOM | {"text": "findings"},
    "model": small.PLAIN_STAGE["model"],
    "objective": {"name": "report_matching", "each": "both", "swap": "either"},
    "budget": {"steps": 2, "batch_size": 8, "validate_every": 1},
    "evaluate": [{"name": "retrieval", "pool": pool, "replicates": 0} for pool in (5, None)],
    "stop": {"metric": "val/image_to_report_mrr"},
}


def test_a_stage_retrieves_and_lists_what_it_found(tmp_path):
    outcome = small.run(small.write(tmp_path, small.experiment(only=STAGE)))["only"]
    listed = pq.read_table(outcome.folder / "retrieved-test.parquet")
    assert listed.column_names == ["direction", "pool", "query", "rank", "candidate", "score", "right"]
    predicted = pq.read_table(outcome.folder / "predictions/test.parquet")
    findings = [name for name in predicted.column_names if name.startswith("label.")]
    positive = {case["row"]: [case[name] == 1 for name in findings] for case in predicted.to_pylist()}
    rows, drawn = list(positive), pools(len(positive), 5)
    lines = listed.to_pylist()
    queries = {}
    for line in lines:
        queries.setdefault((line["direction"], line["query"]), []).append(line)
        assert line["right"] == (positive[line["query"]] == positive[line["candidate"]])
    ways = ("image_to_report", "report_to_image")
    assert set(queries) == {(way, rows[place]) for way in ways for place in drawn.reshape(-1)}
    for found in queries.values():
        scores = [line["score"] for line in found]
        assert [line["rank"] for line in found] == [1, 2, 3, 4, 5] and scores == sorted(scores, reverse=True)
    own = {
        (line["pool"], line["query"], line["candidate"]): line["score"]
        for line in lines[: drawn.size // len(drawn) * 5]
    }
    back = {(line["pool"], line["candidate"], line["query"]): line["score"] for line in lines}
    assert all(back[pair] == score for pair, score in own.items())  # one matrix, read both ways
    metrics = {row[0]: row[1:] for row in outcome.tables[0].rows}
    first = [np.mean([found[0]["right"] for (way, _), found in queries.items() if way == wanted]) for wanted in ways]
    assert metrics["hit@1"] == [f"{share:.3f}" for share in first]
    whole = pq.read_table(outcome.folder / "retrieved-test-2.parquet")
    assert whole.num_rows == 2 * len(rows) * min(10, len(rows))
    assert any("a pass of the fusion for each pair" in note for note in outcome.notes)


def test_pairs_are_not_scored_at_validations_that_select_nothing(tmp_path, monkeypatch):
    asked = []
    scored = pair_scores.score_pools
    monkeypatch.setattr(pair_scores, "score_pools", lambda *a, **k: asked.append(a[2].shape) or scored(*a, **k))
    stage = STAGE | {"stop": {"metric": "val/loss"}, "evaluate": STAGE["evaluate"][:1]}
    small.run(small.write(tmp_path, small.experiment(only=stage)))
    assert len(asked) == 1


def test_an_objective_that_scores_no_pairs_is_refused(tmp_path):
    stage = STAGE | {"objective": {"name": "multilabel"}, "stop": None}
    wanted = "wants image_embeddings, text_embeddings or pair_scores, and objective 'multilabel' predicts logits"
    with pytest.raises(ConfigError, match=wanted):
        small.run(small.write(tmp_path, small.experiment(only=stage)))
