import pytest
import torch
import torch.nn.functional as F
from medvl_medvill.fusion import MedViLL

import medvl
from medvl.errors import ConfigError
from medvl.models.base import Fusion, Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.language_model import LanguageModel
from medvl.models.late_fusion import Concat
from medvl.models.masks.mixed import Mixed
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus
from medvl.objectives.report_generation import ReportGeneration
from medvl.objectives.total import Total
from tests.plugins.test_mmbt import batch_of

SIZE = 64


class Recurrent(Fusion):
    """A GRU over words that starts from the image: it reads the next word from the one before."""

    needs = ("image.pooled", "text.ids")
    gives = ("joint.text",)
    capabilities = frozenset({"generate"})
    writes = "next"

    def __init__(self, model):
        super().__init__()
        self.width = model.text.width
        self.start = torch.nn.Linear(model.image.pooled_width, self.width)
        self.words = torch.nn.GRU(self.width, self.width, batch_first=True)

    def forward(self, model, features):
        start = self.start(features["image.pooled"])
        return {"joint.text": self.words(model.text.embed(features["text.ids"]), start[None])[0]}

    def begin(self, model, features, most):
        return Memory(self.start(features["image.pooled"])[None], features["text.ids"])

    def step(self, model, state, words):
        words = state.begin if words is None else words[:, None]
        found, state.hidden = self.words(model.text.embed(words), state.hidden.contiguous())
        return found[:, 0]


class Memory:
    def __init__(self, hidden, begin):
        self.hidden, self.begin = hidden, begin

    def select(self, rows):
        self.hidden = self.hidden[:, rows]


def model_of(fusion=MedViLL, **parameters):
    torch.manual_seed(0)
    text = BertEncoder(
        Corpus(), weights="none", layers=2, width=32, heads=2, vocab_size=50, positions=24, max_length=14, dropout=0.0
    )
    model = Model(TimmEncoder(SIZE, model="test_resnet"), text)
    model.fusion = fusion(model, **parameters)
    return model


def medvill(mask=bar, **parameters):
    return model_of(MedViLL, mask=mask, **parameters)


def batch(model, lengths=(9, 5, 2)):
    return batch_of(model, list(lengths), max(lengths), size=SIZE)


@pytest.mark.parametrize(
    "mask", [bar, NonCrossing(), Mixed(schemes={"a": bar, "b": bidirectional}, probabilities={"a": 0.5, "b": 0.5})]
)
def test_the_mask_is_seq2seq_whatever_was_said(mask):
    model, expected = medvill(mask), medvill(seq2seq)
    ReportGeneration(model)
    given = batch(model)
    with torch.no_grad():
        assert model(given, ("joint.text",))["joint.text"].equal(expected(given, ("joint.text",))["joint.text"])


def test_a_fusion_that_does_not_write_is_refused():
    with pytest.raises(ConfigError, match=r"requires 'generate' .* Concat does not have\. `medvl fits fusion FILE`"):
        ReportGeneration(model_of(Concat))
    with pytest.raises(ConfigError, match="masking: released hides words, and Recurrent reads the next word"):
        ReportGeneration(model_of(Recurrent), masking="released")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"longest": 13}, "longest: 13 is not between 1 and the 12 tokens"),
        ({"most": 24}, "most: 24 is not between 1 and 23"),
        ({"probability": 0}, "probability must be above 0"),
        ({"width": 0, "top_p": 2}, "width must be at least 1"),
    ],
)
def test_impossible_values_are_refused(parameters, message):
    with pytest.raises(ConfigError, match=message):
        ReportGeneration(medvill(), **parameters)


def slow_likelihood(objective, model, given, case):
    """Word by word, each time from the beginning, through the public forward pass."""
    length = int(given["text.mask"][case].sum())
    ids, total, likeliest = given["text.ids"][case : case + 1, :length], 0.0, []
    for column in range(1, length):
        if model.fusion.writes == "hidden":
            read = torch.cat([ids[:, :column], torch.full((1, 1), model.text.tokenizer.mask)], 1)
        else:
            read = ids[:, :column]
        text = {"text.ids": read, "text.mask": torch.ones_like(read, dtype=torch.bool)}
        hidden = model({"image": given["image"][case : case + 1]} | text, ("joint.text",))["joint.text"][:, -1]
        scores = objective.head(hidden, model.text.table)[0].log_softmax(0)
        total += float(scores[ids[0, column]])
        scores[[0, 2, 4]] = -torch.inf
        likeliest.append(int(scores.argmax()))
    if 3 in likeliest:
        likeliest = likeliest[: likeliest.index(3)]
    return total, length - 1, likeliest


@torch.no_grad()
@pytest.mark.parametrize("fusion", [MedViLL, Recurrent, LanguageModel])
def test_likelihood_is_that_of_a_loop_over_words(fusion):
    model = model_of(fusion)
    objective = ReportGeneration(model).eval()
    objective.head.bias.normal_(std=2)
    model.eval()
    given = batch(model, (9, 5, 3))
    objective.wanted = frozenset({"log_likelihood", "tokens", "teacher_forced"})
    found = objective.predict(model, given)
    assert set(found) == objective.wanted and found["teacher_forced"].shape == (3, 13)
    for case in range(3):
        total, tokens, likeliest = slow_likelihood(objective, model, given, case)
        assert float(found["log_likelihood"][case]) == pytest.approx(total, rel=1e-4)
        assert int(found["tokens"][case]) == tokens
        assert [word for word in found["teacher_forced"][case].tolist() if word] == likeliest


@torch.no_grad()
@pytest.mark.parametrize("fusion", [MedViLL, Recurrent])
def test_the_loss_of_every_word_is_the_likelihood(fusion):
    model = model_of(fusion).eval()
    objective = ReportGeneration(model, masking="every").eval()
    given = batch(model)
    found = objective.predict(model, given)
    expected = -found["log_likelihood"].sum() / found["tokens"].sum()
    torch.testing.assert_close(objective(model, given)["generation"], expected)


@torch.no_grad()
@pytest.mark.parametrize("search", ["greedy", "beam", "nucleus"])
@pytest.mark.parametrize("fusion", [MedViLL, Recurrent, LanguageModel])
def test_a_report_is_words_of_its_own_length_whatever_the_batch(fusion, search):
    model = model_of(fusion).eval()
    objective = ReportGeneration(model, search=search, most=7).eval()
    objective.head.norm.weight.mul_(8)
    objective.head.bias[[0, 2, 4]] = 50.0  # what is no word is not written, however likely
    given = batch(model, (9, 5, 4, 7)) | {"rows": torch.tensor([11, 3, 8, 20])}
    found = objective.predict(model, given)["report"]
    assert found.shape == (4, 7) and found.dtype == torch.int64
    assert not set(found.flatten().tolist()) & {2, 3, 4}
    ended = (found == 0).long()
    assert (ended.diff(dim=1) >= 0).all()  # padding behind
    alone = objective.predict(model, {name: value[2:3] for name, value in given.items()})["report"]
    assert alone[0].equal(found[2])


@pytest.mark.parametrize("masking", ["paper", "released"])
def test_only_hidden_words_count_and_the_head_sees_no_others(masking):
    model = medvill()
    objective = ReportGeneration(model, masking=masking, probability=0.3, most_hidden=2)
    given, seen = batch(model, (9, 9, 6)), []
    model.fusion.register_forward_hook(lambda module, inputs, out: seen.append(inputs[1]["text.ids"]))
    objective.head.register_forward_hook(lambda module, inputs, out: seen.append(len(inputs[0])))
    loss = objective(model, given)["generation"]
    loss.backward()
    read, judged = seen
    changed = int((read != given["text.ids"]).sum())
    assert 0 < changed <= judged <= (6 if masking == "released" else 24)
    assert masking == "paper" or (read == 4).sum() == changed == judged
    assert loss.isfinite() and model.text.table.grad.abs().sum() > 0


@pytest.mark.parametrize("masking", ["paper", "released", "every"])
def test_a_case_without_text_counts_nowhere(masking):
    model = medvill()
    objective = ReportGeneration(model, masking=masking)
    nothing = batch(model, (2, 2))
    loss = objective(model, nothing)["generation"]
    loss.backward()
    assert float(loss.detach()) == 0 and not model.text.table.grad.any()
    followed = objective.eval().predict(model.eval(), batch(model, (5, 2)))
    assert followed["tokens"].tolist() == [4, 0] and float(followed["log_likelihood"][1]) == 0
    assert not followed["teacher_forced"][1].any()


def test_long_reports_lose_ends():
    model = medvill()
    objective = ReportGeneration(model, masking="released", longest=4)
    given, seen = batch(model, (9, 6)), []
    model.fusion.register_forward_hook(lambda module, inputs, out: seen.append(inputs[1]["text.ids"]))
    starts = set()
    for _ in range(20):
        objective(model, given)
        starts |= set(seen[-1][0, 1:5].tolist()) - {4}
    assert seen[-1].shape == (2, 6) and starts == set(given["text.ids"][0, 1:8].tolist())
    objective.eval()
    followed = objective.predict(model.eval(), given)
    assert followed["tokens"].tolist() == [5, 5] and followed["report"].shape == (2, 4)


def test_validations_compare_the_same_words():
    model = medvill().eval()
    objective = ReportGeneration(model).eval()
    given = batch(model)
    with torch.no_grad():
        assert objective(model, given)["generation"].equal(objective(model, given)["generation"])


@torch.no_grad()
def test_a_total_asks_its_terms_for_what_is_wanted():
    model = medvill().eval()
    total = Total(terms={"writing": ReportGeneration(model)})
    total.eval()
    assert total.dear == ("report",)
    total.wanted = frozenset({"tokens"})
    assert "report" not in total.predict(model, batch(model))
    total.wanted = frozenset({"report"})
    assert set(total.predict(model, batch(model))) == {"report"}
    total.wanted = frozenset({"logits"})
    assert total.predict(model, batch(model)) == {}


def described(cases, seed):
    """Images of one of four brightnesses, and the one report that each has."""
    which = torch.randint(4, (cases,), generator=torch.Generator().manual_seed(seed))
    reports = torch.tensor([[7, 8, 9, 3, 0, 0], [10, 8, 3, 0, 0, 0], [7, 11, 12, 13, 3, 0], [14, 3, 0, 0, 0, 0]])
    ids = F.pad(reports[which], (1, 0), value=2)
    images = (which.float() - 1.5)[:, None, None, None] + 0.1 * torch.randn(cases, 1, SIZE, SIZE)
    return {"image": images, "text.ids": ids, "text.mask": ids != 0}


@pytest.mark.parametrize("fusion", [MedViLL, Recurrent])
def test_it_learns_to_write_what_an_image_shows(fusion):
    model = model_of(fusion)
    objective = ReportGeneration(model, masking="every", most=6)
    optimizer = torch.optim.AdamW([*model.parameters(), *objective.parameters()], lr=3e-3)
    for step in range(45):
        loss = objective(model, described(16, step))["generation"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval(), objective.eval()
    with torch.no_grad():
        given = described(16, 1000)
        found = objective.predict(model, given)
    words = given["text.ids"][:, 1:].masked_fill(given["text.ids"][:, 1:] == 3, 0)
    assert (found["report"] == words).all(1).float().mean() > 0.9
    assert (found["log_likelihood"] / found["tokens"]).mean() > -0.5


def test_what_is_exported_starts_other_stages():
    model = medvill()
    assert set(ReportGeneration(model).exports(model)) == {"image", "text", "fusion", "vocabulary_head"}
    assert issubclass(ReportGeneration, medvl.Objective)
