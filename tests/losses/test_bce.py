import math

import pytest
import torch

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.losses import BinaryCrossEntropy
from tests.golden_fixtures import golden

DATA = DataSpec(labels=("a", "b", "c"), positives=(4, 0, 9), negatives=(6, 10, 1), cases=10)
NAN = float("nan")


def slow(logits, labels, positive_weight, class_weight):
    """The documented equation, one label at a time."""
    total, known = 0.0, 0
    for row, answers in zip(logits.tolist(), labels.tolist(), strict=True):
        for k, (logit, y) in enumerate(zip(row, answers, strict=True)):
            if math.isnan(y):
                continue
            p = 1 / (1 + math.exp(-logit))
            total -= class_weight[k] * (positive_weight[k] * y * math.log(p) + (1 - y) * math.log(1 - p))
            known += 1
    return total / max(known, 1)


@pytest.fixture
def cases():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 0, NAN], [0, NAN, 1], [NAN, NAN, NAN], [1, 1, 0]])
    return logits, labels


@pytest.mark.parametrize(
    ("settings", "positive_weight", "class_weight"),
    [
        ({}, (1, 1, 1), (1, 1, 1)),
        ({"positive_weight": "cases_per_positive"}, (10 / 4, 10, 10 / 9), (1, 1, 1)),
        ({"positive_weight": "negatives_per_positive"}, (6 / 4, 10, 1 / 9), (1, 1, 1)),
        ({"positive_weight": (2.0, 3.0, 0.5)}, (2, 3, 0.5), (1, 1, 1)),
        ({"class_weight": "complement_frequency"}, (1, 1, 1), (0.6, 1.0, 0.1)),
        ({"class_weight": (0.1, 0.2, 0.3), "positive_weight": (2.0, 3.0, 0.5)}, (2, 3, 0.5), (0.1, 0.2, 0.3)),
        ({"class_weight": {DATA.labels[k]: w for k, w in ((2, 0.3), (0, 0.1), (1, 0.2))}}, (1, 1, 1), (0.1, 0.2, 0.3)),
    ],
)
@pytest.mark.parametrize(("reduction", "factor"), [("mean", 1), ("sum_over_labels", 3)])
def test_equals_the_equation_written_out(cases, settings, positive_weight, class_weight, reduction, factor):
    loss = BinaryCrossEntropy(DATA, reduction=reduction, **settings)(*cases)
    assert loss.item() == pytest.approx(factor * slow(*cases, positive_weight, class_weight), rel=1e-5)


def test_unknown_labels_get_no_gradient_and_known_ones_do(cases):
    logits, labels = cases
    logits.requires_grad_()
    BinaryCrossEntropy(DATA, positive_weight="cases_per_positive")(logits, labels).backward()
    assert torch.equal(logits.grad != 0, ~labels.isnan())


def test_no_known_label_gives_zero_and_not_nan():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = BinaryCrossEntropy(DATA)(logits, torch.full((2, 3), NAN))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.eq(0).all()


def test_weights_are_1_before_the_data_is_counted():
    loss = BinaryCrossEntropy(
        DataSpec(labels=("a", "b")), positive_weight="cases_per_positive", class_weight="complement_frequency"
    )
    assert loss.positive_weight.tolist() == loss.class_weight.tolist() == [1, 1]


def test_nothing_is_read_back_from_the_device():
    with torch.device("meta"):  # refuses to give values away
        loss = BinaryCrossEntropy(DATA, positive_weight="cases_per_positive", class_weight=(0.1, 0.2, 0.3))
        assert loss(torch.empty(2, 3), torch.empty(2, 3)).shape == ()


@pytest.mark.parametrize("name", ["positive_weight", "class_weight"])
def test_a_wrong_number_of_weights_names_the_labels(name):
    with pytest.raises(ConfigError, match=f"{name} holds 2 values and the data has 3 labels: a, b, c"):
        BinaryCrossEntropy(DATA, **{name: (1.0, 2.0)})


def labels_of(count: int) -> tuple[str, ...]:
    return tuple(f"label {k}" for k in range(count))


@pytest.mark.parametrize("stem", ["mmbt_forward"])
def test_golden_positive_weights(stem):
    fixture = golden(stem)
    data = DataSpec(
        labels=labels_of(fixture.config["classes"]),
        positives=tuple(fixture.tensors["in.label_counts"].tolist()),
        negatives=tuple((fixture.config["train_size"] - fixture.tensors["in.label_counts"]).tolist()),
        cases=fixture.config["train_size"],
    )
    logits, labels = fixture.tensors["out.logits"], fixture.tensors["in.labels"]
    weighted = BinaryCrossEntropy(data, positive_weight="cases_per_positive")
    fixture.close(weighted(logits, labels), "out.loss_weighted")
    fixture.close(BinaryCrossEntropy(data)(logits, labels), "out.loss_unweighted")


@pytest.mark.parametrize("stem", ["chest_mmbt_forward"])
def test_golden_class_weights(stem):
    fixture = golden(stem)
    loss = BinaryCrossEntropy(
        DataSpec(labels=labels_of(fixture.config["classes"])),
        class_weight=tuple(fixture.tensors["in.class_weights"].tolist()),
        reduction="sum_over_labels",
    )
    fixture.close(loss(fixture.tensors["out.logits"], fixture.tensors["in.labels"]), "out.loss")


@pytest.mark.parametrize("stem", ["chexpert_supervised_pieces"])
def test_golden_masked_labels(stem):
    fixture = golden(stem)
    logits = fixture.tensors["in.logits"].clone().requires_grad_()
    labels = fixture.tensors["in.labels"]
    loss = BinaryCrossEntropy(DataSpec(labels=labels_of(fixture.config["classes"])))
    masked = loss(logits, labels.masked_fill(labels < 0, NAN))
    masked.backward()
    fixture.close(masked, "out.masked_bce")
    fixture.close(logits.grad, "out.grad.logits")


def test_a_mapping_of_weights_names_every_label_and_no_other():
    with pytest.raises(ConfigError, match=r"class_weight: unknown label 'aa'\. did you mean 'a'.*'a' has no weight"):
        BinaryCrossEntropy(DataSpec(labels=("a", "b")), class_weight={"aa": 1.0, "b": 1.0})
