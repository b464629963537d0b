"""The multilabel evaluator against scikit-learn and torchmetrics, with unknown labels and undefined findings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score
from torchmetrics.functional.classification import multilabel_auroc, multilabel_f1_score

from medvl import Cases, ConfigError, DataError, DataSpec
from medvl.evaluate.multilabel import Multilabel
from tests.golden_fixtures import golden

NAMES = ("Edema", "Fracture", "Pneumonia")


def cases(labels, logits, patients=None):
    labels, logits = np.asarray(labels, np.float32), np.asarray(logits, np.float32)
    rows = np.arange(len(labels))
    return Cases(rows, rows if patients is None else patients, {"labels": labels}, {"logits": logits})


def simulated(size=400, findings=3, seed=0, unknown=0.0):
    random = np.random.default_rng(seed)
    labels = (random.random((size, findings)) < 0.3).astype(np.float32)
    logits = random.normal(size=(size, findings)).round(1) + labels - 0.7  # rounding makes ties
    labels[random.random(labels.shape) < unknown] = np.nan
    return cases(labels, logits, patients=np.arange(size) // 2)


def evaluator(names=NAMES, **parameters):
    return Multilabel(DataSpec(labels=names), **parameters)


@pytest.mark.parametrize("unknown", [0.0, 0.25])
def test_equals_scikit_learn(unknown):
    given_cases = simulated(unknown=unknown)
    metrics = evaluator().evaluate(given_cases, intervals=False).metrics
    labels, logits = given_cases.fields["labels"], given_cases.outputs["logits"]
    known = ~np.isnan(labels)
    expected = {"auroc": [], "f1": [], "precision": [], "recall": []}
    for k in range(3):
        y, s = labels[known[:, k], k] == 1, logits[known[:, k], k]
        expected["auroc"].append(roc_auc_score(y, s))
        expected["f1"].append(f1_score(y, s > 0))
        expected["precision"].append(precision_score(y, s > 0))
        expected["recall"].append(recall_score(y, s > 0))
    for k, name in enumerate(NAMES):
        assert metrics[f"auroc/{name}"] == pytest.approx(expected["auroc"][k], abs=1e-12)
        assert metrics[f"f1/{name}"] == pytest.approx(expected["f1"][k], abs=1e-12)
    assert metrics["auroc_macro"] == pytest.approx(np.mean(expected["auroc"]), abs=1e-12)
    assert metrics["f1_macro"] == pytest.approx(np.mean(expected["f1"]), abs=1e-12)
    assert metrics["auroc_micro"] == pytest.approx(roc_auc_score(labels[known] == 1, logits[known]), abs=1e-12)
    assert metrics["f1_micro"] == pytest.approx(f1_score(labels[known] == 1, logits[known] > 0), abs=1e-12)
    precision, recall = np.mean(expected["precision"]), np.mean(expected["recall"])
    assert metrics["f1_macro_of_means"] == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), threshold=st.sampled_from([0.2, 0.5, 0.7]))
def test_equals_torchmetrics(seed, threshold):
    given_cases = simulated(60, seed=seed)
    logits = torch.from_numpy(given_cases.outputs["logits"])
    labels = torch.from_numpy(given_cases.fields["labels"]).long()
    metrics = evaluator(threshold=threshold).evaluate(given_cases, intervals=False).metrics
    for average in ("macro", "micro"):
        area = multilabel_auroc(logits.sigmoid(), labels, num_labels=3, average=average)
        f1 = multilabel_f1_score(logits.sigmoid(), labels, num_labels=3, threshold=threshold, average=average)
        assert metrics[f"auroc_{average}"] == pytest.approx(area.item(), abs=1e-5)
        assert metrics[f"f1_{average}"] == pytest.approx(f1.item(), abs=1e-5)


@pytest.mark.parametrize("stem", ["chest_mmbt_metrics"])
def test_golden(stem):
    fixture = golden(stem)
    labels, logits = (fixture.part("in")[name].numpy() for name in ("labels", "logits"))
    names = tuple(f"class {k}" for k in range(labels.shape[1]))
    metrics = evaluator(names).evaluate(cases(labels, logits), intervals=False).metrics
    fixture.close(torch.tensor(metrics["auroc_macro"]), "out.macro_auroc")
    fixture.close(torch.tensor(metrics["f1_micro"]), "out.micro_f1")
    fixture.close(torch.tensor(metrics["f1_macro_of_means"]), "out.macro_f1")
    share = labels.sum(axis=0) / labels.sum()
    weighted = torch.tensor([metrics[f"auroc/{name}"] for name in names]) * torch.from_numpy(share)
    fixture.close(weighted, "out.micro_auroc")


@pytest.mark.parametrize("stem", ["chest_mmbt_metrics"])
def test_golden_precision_and_recall_have_their_right_names(stem):
    """The reference takes missed positives for false alarms, so what it calls precision is recall."""
    fixture = golden(stem)
    labels, logits = (fixture.part("in")[name].numpy() for name in ("labels", "logits"))
    names = tuple(f"class {k}" for k in range(labels.shape[1]))
    measures = evaluator(names, metrics=("precision", "recall", "accuracy"))
    metrics = measures.evaluate(cases(labels, logits), intervals=False).metrics
    for average in ("macro", "micro"):
        fixture.close(torch.tensor(metrics[f"recall_{average}"]), f"out.{average}_precision")
        fixture.close(torch.tensor(metrics[f"precision_{average}"]), f"out.{average}_recall")
    fixture.close(torch.tensor(metrics["accuracy_macro"]), "out.accuracy")
    hits, misses, _, false_alarms = fixture.tensors["out.confusion"]
    for k, name in enumerate(names):
        positive, called = (hits[k] + misses[k]).clamp(min=1), (hits[k] + false_alarms[k]).clamp(min=1)
        assert metrics[f"recall/{name}"] == pytest.approx(float(hits[k] / positive))
        assert metrics[f"precision/{name}"] == pytest.approx(float(hits[k] / called))


@pytest.mark.parametrize("value, side", [(0, "positive"), (1, "negative"), (np.nan, "positive")])
def test_a_one_sided_finding_is_undefined_said_and_never_averaged_in(value, side):
    given_cases = simulated()
    given_cases.fields["labels"][:, 1] = value
    result = evaluator(replicates=20).evaluate(given_cases)
    others = evaluator(("Edema", "Pneumonia")).evaluate(
        cases(given_cases.fields["labels"][:, [0, 2]], given_cases.outputs["logits"][:, [0, 2]]), intervals=False
    )
    assert math.isnan(result.metrics["auroc/Fracture"]) and math.isnan(result.metrics["f1/Fracture"])
    assert "auroc/Fracture" not in result.intervals
    for name in ("auroc_macro", "f1_macro", "f1_macro_of_means"):
        assert result.metrics[name] == others.metrics[name]
    assert f"Fracture: no {side} case, undefined" in result.notes
    assert "macro means are over 2 of 3 findings" in result.notes


def test_a_logit_that_is_not_a_number_undefines_everything():
    given_cases = simulated()
    given_cases.outputs["logits"][5, 0] = np.nan
    result = evaluator(replicates=10).evaluate(given_cases)
    assert all(math.isnan(value) for value in result.metrics.values()) and not result.intervals
    assert any("1 of 400 cases have a logit that is not a number" in note for note in result.notes)


def test_no_cases_at_all():
    result = evaluator().evaluate(cases(np.empty((0, 3)), np.empty((0, 3))))
    assert set(result.metrics) == set(evaluator().metrics())
    assert all(math.isnan(value) for value in result.metrics.values())


def test_intervals_stand_around_every_defined_metric():
    result = evaluator(replicates=200).evaluate(simulated())
    assert set(result.intervals) == set(evaluator().metrics()) == set(result.metrics)
    for name, (low, high) in result.intervals.items():
        assert low < result.metrics[name] < high, name
    assert "intervals: 95% percentile bootstrap, 200 draws of 200 patients" in result.notes
    again = evaluator(replicates=200).evaluate(simulated())
    assert again.intervals == result.intervals
    assert evaluator(replicates=200, seed=1).evaluate(simulated()).intervals != result.intervals
    assert not evaluator().evaluate(simulated(), intervals=False).intervals


def test_intervals_equal_resampling_rows_by_hand():
    """Draw rows as the weights say, repeat them, evaluate anew: the slow way gives the same replicates."""
    from medvl.evaluate.bootstrap import percentile_interval, replicate_weights

    given_cases = simulated(60, unknown=0.1)
    result = evaluator(replicates=30, unit="case").evaluate(given_cases)
    (weights,) = replicate_weights(np.arange(60), 30, 0)
    slow = []
    for column in weights.T:
        rows = np.repeat(np.arange(60), column)
        drawn = cases(given_cases.fields["labels"][rows], given_cases.outputs["logits"][rows])
        slow.append(evaluator().evaluate(drawn, intervals=False).metrics)
    for name, interval in result.intervals.items():
        assert interval == pytest.approx(percentile_interval(np.array([m[name] for m in slow])), abs=1e-12), name


def test_a_rare_finding_says_in_how_many_draws_it_was_undefined():
    given_cases = simulated()
    given_cases.fields["labels"][:, 1] = 0
    given_cases.fields["labels"][7, 1] = 1
    result = evaluator(replicates=200).evaluate(given_cases)
    (note,) = [note for note in result.notes if note.startswith("Fracture")]
    share = float(note.split(" in ")[1].split("%")[0]) / 100
    assert share == pytest.approx(math.exp(-1), abs=0.12)  # one patient of 200 is left out of e^-1 of all draws


def test_table_shows_intervals_and_positive_cases():
    given_cases = simulated()
    given_cases.fields["labels"][:, 1] = 0
    evaluate = evaluator(replicates=50)
    titles, rows = evaluate.table(evaluate.evaluate(given_cases))
    assert titles == ["finding", "AUROC", "F1", "positives"]
    assert [row[0] for row in rows] == ["macro", "micro", *NAMES]
    positives = (given_cases.fields["labels"] == 1).sum(axis=0).astype(int)
    assert [row[3] for row in rows] == [str(positives.sum())] * 2 + [str(n) for n in positives]
    assert rows[3][1:3] == ["–", "–"]
    area, interval = rows[0][1].split(" ", 1)
    assert len(area) == 5 and interval.startswith("(0.") and len(interval) == len("(0.78-0.84)")


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(DataError, match=r"labels of shape \(400, 3\).*400 cases of 2 findings"):
        evaluator(("a", "b")).evaluate(simulated())
    given_cases = simulated()
    given_cases.fields["labels"][3, 0] = -1
    with pytest.raises(DataError, match=r"label -1 cannot be evaluated \(1 of 1200.*label policy"):
        evaluator().evaluate(given_cases)


@pytest.mark.parametrize("parameters", [{"threshold": 1.0}, {"confidence": 95.0}, {"replicates": -1}, {"seed": -1}])
def test_parameters_out_of_range(parameters):
    with pytest.raises(ConfigError, match=f"{next(iter(parameters))} {next(iter(parameters.values()))}"):
        evaluator(**parameters)
