import pytest
import torch

from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.language_model import LanguageModel
from medvl.models.masks.schemes import bidirectional, seq2seq
from medvl.models.tokenizer import Corpus
from medvl.testkit import FusionSuite


class TestSuite(FusionSuite):
    name = "language_model"


@pytest.mark.parametrize(
    ("mask", "moved"), [(seq2seq, [False] * 4 + [True] * 5), (bidirectional, [True] * 9)], ids=["seq2seq", "all"]
)
def test_words_see_what_the_mask_lets_them_see_and_no_image(mask, moved):
    torch.manual_seed(0)
    model = Model(text=BertEncoder(Corpus(), weights="none", layers=2, width=32, vocab_size=50, max_length=24))
    model.fusion = LanguageModel(model, mask=mask)
    model.eval()
    ids = torch.randint(5, 50, (3, 9))
    ids[:, 0], ids[:, -1] = 2, 3
    changed = ids.clone()
    changed[:, 4] = (ids[:, 4] - 5 + 1) % 45 + 5
    real = torch.ones_like(ids, dtype=torch.bool)
    one, other = (model({"text.ids": each, "text.mask": real}, ("joint.text",)) for each in (ids, changed))
    found = (one["joint.text"] - other["joint.text"]).abs().amax(-1) > 1e-6
    assert found.tolist() == [moved] * 3
