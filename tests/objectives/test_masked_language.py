import re

import pytest
import torch
from torch.nn import functional

from medvl.errors import ConfigError
from medvl.models.base import Fusion, Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.tokenizer import Corpus
from medvl.objectives.masked_language import MaskedLanguageModelling
from medvl.objectives.vocabulary_head import places

WIDTH, WORDS = 32, 60


def model():
    torch.manual_seed(0)
    sizes = {"layers": 1, "width": WIDTH, "heads": 2, "vocab_size": WORDS, "positions": 32}
    return Model(text=BertEncoder(Corpus(), weights="none", dropout=0.0, max_length=32, **sizes))


def batch(rows=8, columns=12, seed=0):
    ids = torch.randint(5, WORDS, (rows, columns), generator=torch.Generator().manual_seed(seed))
    lengths = torch.arange(rows).clamp(max=columns - 2) + 2
    at = torch.arange(columns)
    ids[:, 0] = 2
    ids = torch.where(at == lengths[:, None] - 1, 3, ids)
    mask = at < lengths[:, None]
    return {"text.ids": ids * mask, "text.mask": mask}


def slow_loss(objective, model, corrupted):
    """Position by position, over the whole vocabulary."""
    tokens = model(corrupted, ["text.tokens"])["text.tokens"]
    head, losses = objective.head, []
    for row, column in corrupted["text.hidden"].nonzero().tolist():
        hidden = head.norm(functional.gelu(head.dense(tokens[row, column])))
        scores = model.text.transformer.embeddings.word_embeddings.weight @ hidden + head.bias
        losses.append(scores.logsumexp(0) - scores[corrupted["text.original"][row, column]])
    return torch.stack(losses).mean()


def test_loss_is_that_of_a_loop_over_hidden_tokens():
    whole = model()
    objective = MaskedLanguageModelling(whole, probability=0.4)
    torch.manual_seed(5)
    corrupted = objective.corrupt(batch())
    torch.manual_seed(5)
    loss = objective(whole, batch())["mlm"]
    torch.testing.assert_close(loss, slow_loss(objective, whole, corrupted))
    loss.backward()
    assert whole.text.table.grad.abs().sum() > 0


def test_a_batch_in_which_nothing_is_hidden_costs_nothing():
    whole = model()
    objective = MaskedLanguageModelling(whole, probability=1e-9)
    loss = objective(whole, batch())["mlm"]
    loss.backward()
    assert loss.item() == 0


def test_the_head_is_computed_where_tokens_are_hidden_alone():
    whole = model()
    objective = MaskedLanguageModelling(whole)
    seen = []
    objective.head.register_forward_hook(lambda module, given, logits: seen.append(len(logits)))
    torch.manual_seed(1)
    hidden = objective.corrupt(batch())["text.hidden"].sum().item()
    torch.manual_seed(1)
    objective(whole, batch())
    assert seen == [hidden] and hidden < 20


def test_what_is_given_stays_as_it_is():
    objective, given = MaskedLanguageModelling(model(), probability=1.0), batch()
    before = {name: value.clone() for name, value in given.items()}
    corrupted = objective.corrupt(given)
    assert all(given[name].equal(value) for name, value in before.items())
    assert corrupted["text.original"].equal(before["text.ids"])
    assert not corrupted["text.ids"].equal(before["text.ids"])


def test_special_tokens_are_never_hidden_and_every_text_can_lose_a_word():
    objective = MaskedLanguageModelling(model(), probability=1e-9, at_least_one=True)
    corrupted = objective.corrupt(batch())
    # the first text is [CLS] [SEP], with nothing to hide
    assert corrupted["text.hidden"].sum(1).tolist() == [0] + [1] * 7
    assert corrupted["text.hidden"][1:, 1].all()
    all_of_it = MaskedLanguageModelling(model(), probability=1.0).corrupt(batch())
    assert all_of_it["text.hidden"].equal(batch()["text.mask"] & (batch()["text.ids"] > 4))


def test_training_draws_anew_and_evaluation_the_same():
    objective = MaskedLanguageModelling(model())
    torch.manual_seed(0)
    one, two = objective.corrupt(batch()), objective.corrupt(batch())
    assert not one["text.hidden"].equal(two["text.hidden"])
    objective.eval()
    before = torch.get_rng_state()
    one, two = objective.corrupt(batch()), objective.corrupt(batch())
    assert one["text.hidden"].equal(two["text.hidden"])
    assert torch.get_rng_state().equal(before)


def test_places_of_a_device_that_must_not_be_waited_for():
    hidden = torch.tensor([False, True, False, True])
    at, counts = places(hidden, 4)
    assert (at.tolist(), counts.tolist()) == ([1, 3], [1.0, 1.0])
    at, counts = places(hidden.to("meta"), 3)
    assert (at.shape, counts.shape) == ((3,), (3,))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_devices_agree():
    whole = model()
    objective = MaskedLanguageModelling(whole, probability=0.3)
    corrupted = objective.corrupt(batch())
    expected = objective.judge(whole, whole(corrupted, objective.needs), corrupted)["mlm"]
    whole, objective = whole.cuda(), objective.cuda()
    corrupted = {name: value.cuda() for name, value in corrupted.items()}
    found = objective.judge(whole, whole(corrupted, objective.needs), corrupted)["mlm"]
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-4)


class Wide(Fusion):
    needs = ("text.tokens",)
    gives = ("joint.text",)
    width = 2 * WIDTH


def test_what_cannot_be_restored_is_refused():
    with pytest.raises(ConfigError, match=r"restores words from joint[.]text, and this model gives text[.]tokens"):
        MaskedLanguageModelling(model(), feature="joint.text")
    with pytest.raises(ConfigError, match="must be above 0 and at most 1, not 0"):
        MaskedLanguageModelling(model(), probability=0.0)
    whole = model()
    whole.fusion = Wide()
    with pytest.raises(ConfigError, match=re.escape("joint.text of width 64, and the word embeddings")):
        MaskedLanguageModelling(whole)
