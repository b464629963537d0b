import re

import pytest
import torch

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.models.base import Fusion, Model
from medvl.objectives.report_matching import ReportMatching, other_labels, pair_reports
from tests.golden_fixtures import golden

DATA = DataSpec(labels=("a", "b"))


class Joint(Fusion):
    width = 8


def objective(**parameters):
    model = Model()
    model.fusion = Joint()
    return ReportMatching(model, DATA, **parameters)


def batch(rows=6):
    labels = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [float("nan"), 1]])[:rows]
    ids = torch.arange(rows)[:, None].expand(rows, 3)
    return {"text.ids": ids, "text.mask": ids >= 0, "text.extra": ids[:, 0], "labels": labels, "image": ids}


def test_pairs_are_those_of_the_authors():
    fixture = golden("medvill_report_matching")
    findings = [frozenset(re.findall(r"'([^']+)'", labels)) for labels in fixture.config["labels"]]
    names = sorted(set().union(*findings))
    labels = torch.tensor([[float(name in found) for name in names] for found in findings])
    given = fixture.part("in")
    report, matched = pair_reports(given["sample"], given["draw"] > 0.5, given["candidates"], other_labels(labels))
    assert report.equal(fixture.tensors["out.report"])
    assert matched.equal(fixture.tensors["out.aligned"].bool())


def test_unknown_is_not_positive():
    labels = batch()["labels"]
    expected = [
        [set(a.eq(1).nonzero()[:, 0].tolist()) != set(b.eq(1).nonzero()[:, 0].tolist()) for b in labels] for a in labels
    ]
    assert other_labels(labels).tolist() == expected


def test_wrong_pairs_differ_in_labels_and_move_all_of_the_text():
    torch.manual_seed(0)
    given = batch()
    differs, report = other_labels(given["labels"]), []
    for _ in range(200):
        found = objective().corrupt(given)
        assert found["image"] is given["image"] and found["labels"] is given["labels"]
        assert found["text.ids"][:, 0].equal(found["text.extra"])
        own = found["text.extra"] == torch.arange(6)
        assert own.equal(found["matched"])
        assert differs[torch.arange(6), found["text.extra"]][~own].all()
        report.append(found["text.extra"])
    share = (torch.stack(report) == torch.arange(6)).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.05)
    # every report that may be a negative of the first radiograph is one at times
    assert set(torch.stack(report)[:, 0].tolist()) == {0, 1, 2, 3, 5}


def test_equal_labels_all_around_leave_every_pair_together():
    given = batch() | {"labels": torch.ones(6, 2)}
    assert objective(probability=0.0).corrupt(given)["matched"].all()


def test_loss_is_the_cross_entropy_of_two_classes():
    made, features = objective(), {"joint.cls": torch.randn(6, 8)}
    matched = torch.tensor([True, False, True, True, False, False])
    scores = (features["joint.cls"] @ made.head.weight.T + made.head.bias).softmax(1)
    expected = -scores[torch.arange(6), matched.long()].log().mean()
    torch.testing.assert_close(made.judge(Model(), features, {"matched": matched})["matching"], expected)


def test_evaluation_pairs_the_same_every_time():
    made = objective().eval()
    assert made.corrupt(batch())["text.ids"].equal(made.corrupt(batch())["text.ids"])


def test_data_without_labels_is_refused():
    model = Model()
    model.fusion = Joint()
    with pytest.raises(ConfigError, match="this stage's data has none"):
        ReportMatching(model, DataSpec())
    with pytest.raises(ConfigError, match="between 0 and 1, not 2"):
        ReportMatching(model, DATA, probability=2.0)


def test_each_case_comes_once_right_and_once_wrong():
    torch.manual_seed(0)
    given, made = batch(), objective(each="both", swap="either")
    differs, kept = other_labels(given["labels"]), []
    for _ in range(100):
        pairs = made.deal(given)
        assert pairs.matched.tolist() == [True] * 6 + [False] * 6
        assert pairs.image[:6].equal(torch.arange(6)) and pairs.report[:6].equal(torch.arange(6))
        image, report = pairs.image[6:], pairs.report[6:]
        assert differs[image, report].all()
        assert ((image == torch.arange(6)) ^ (report == torch.arange(6))).all()  # one side is the case's own
        kept.append(image == torch.arange(6))
    assert torch.stack(kept).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_under_report_every_wrong_pair_keeps_its_radiograph():
    pairs = objective(each="both").deal(batch())
    assert pairs.image.equal(torch.arange(6).repeat(2)) and not (pairs.report[6:] == torch.arange(6)).any()


def test_a_pair_has_all_fields_of_its_radiograph_and_its_report():
    found = objective(each="both", swap="either").corrupt(batch() | {"rows": torch.arange(6)})
    assert {name: len(value) for name, value in found.items()} == dict.fromkeys(found, 12)
    assert found["image"][:, 0].equal(found["rows"]) and found["text.ids"][:, 0].equal(found["text.extra"])
    assert (found["rows"] == found["text.extra"]).equal(found["matched"])


def test_scores_are_the_log_odds_of_a_match():
    class Given(Model):
        def forward(self, batch, needs):
            return {"joint.cls": batch["image.pooled"] * batch["text.pooled"]}

    made = objective()
    halves = {"image.pooled": torch.randn(5, 8), "text.pooled": torch.randn(5, 8)}
    logits = made.head(halves["image.pooled"] * halves["text.pooled"])
    expected = logits.softmax(1)[:, 1].logit()
    torch.testing.assert_close(made.score_pairs(Given(), halves), expected, atol=1e-5, rtol=1e-4)
