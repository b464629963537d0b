"""The recurrent text encoder: its vocabulary, its vectors, and both directions against a packed GRU of torch."""

import numpy as np
import pytest
import torch
from torch import nn

from medvl.errors import ConfigError, WeightsError
from medvl.models.gru_encoder import BothWays, GruEncoder
from medvl.models.tokenizer import SPECIAL_TOKENS, Corpus

TEXTS = ["Cough, and fever.", "fever", "cough and cough", "Shortness of breath"]
FILE = {"the": 1.0, "fever": 2.0, "x-ray": 3.0, "cough": 4.0, "pneumonia": 5.0, "oedema": 6.0}


@pytest.fixture
def vectors(tmp_path):
    lines = [f"{word} {' '.join([str(value)] * 4)}" for word, value in FILE.items()]
    (tmp_path / "vectors.vec").write_text("\n".join([f"{len(FILE)} 4", *lines]) + "\n")
    return str(tmp_path / "vectors.vec")


def corpus() -> Corpus:
    return Corpus(texts=lambda: list(TEXTS))


def encoder(**settings) -> GruEncoder:
    torch.manual_seed(0)
    return GruEncoder(corpus(), **({"width": 6, "hidden": (5, 3), "vocab_size": 40} | settings)).eval()


def batch(model, texts=("cough and fever", "", "fever")):
    ids, offsets = model.tokenizer.encode(texts)
    mask = torch.arange(int(np.diff(offsets).max())) < torch.from_numpy(np.diff(offsets))[:, None]
    padded = torch.full(mask.shape, model.tokenizer.pad)
    padded[mask] = torch.from_numpy(ids).long()
    return padded, mask


def test_words_are_numbered_by_how_often_they_stand_in_the_training_texts():
    words = list(dict(sorted(encoder().tokenizer.backend.get_vocab().items(), key=lambda item: item[1])))
    assert words[:5] == list(SPECIAL_TOKENS) and words[5] == "cough"
    assert set(words[6:8]) == {"and", "fever"} and {"shortness", ",", "breath"} <= set(words)
    small = encoder(vocab_size=7)
    assert small.tokenizer.size == 7 and small.tokenizer.backend.token_to_id("cough") == 5


def test_texts_are_lower_case_words_between_marks():
    model = encoder()
    ids, _ = model.tokenizer.encode(["COUGH gibberish"])
    token = model.tokenizer.backend.token_to_id
    assert ids.tolist() == [model.tokenizer.cls, token("cough"), model.tokenizer.unknown, model.tokenizer.sep]


def test_the_file_gives_its_vectors_and_fills_the_vocabulary(vectors):
    model = encoder(vectors=vectors, width=None)
    token = model.tokenizer.backend.token_to_id
    for word in ("fever", "cough", "the", "pneumonia", "oedema"):
        assert model.words.weight[token(word)].tolist() == [FILE[word]] * 4
    assert token("x-ray") is None  # texts have it in three pieces
    assert not model.words.weight.requires_grad
    lacking = model.words.weight[token("breath")]
    assert lacking.any() and not lacking.eq(lacking[0]).all()
    assert set(model.lacking) == {"and", "shortness", "of", "breath", ",", "."} and model.lacking[0] == "and"
    (note,) = model.notes()
    assert note.startswith("6 of 11 words have no vector in ") and note.endswith(" and 1 more")
    assert encoder().notes() == []
    assert not model.words.weight[model.tokenizer.pad].any()
    assert encoder(vectors=vectors, width=None, tuned=True).words.weight.requires_grad


def test_the_training_texts_come_first_where_room_is_short(vectors):
    model = encoder(vectors=vectors, width=None, vocab_size=5 + 9)  # the texts have eight words
    token = model.tokenizer.backend.token_to_id
    assert all(token(word) is not None for word in ("cough", "breath", "shortness", ","))
    assert token("the") == 13 and token("pneumonia") is None


def test_an_earlier_tokenizer_wins_and_gets_its_vectors(vectors, tmp_path):
    first = encoder(vectors=vectors, width=None)
    first.save_files(tmp_path)
    again = GruEncoder(
        Corpus(texts=lambda: ["other words"], tokenizer_file=tmp_path / "tokenizer.json"),
        vectors=vectors,
        hidden=(5, 3),
    )
    assert again.tokenizer.backend.get_vocab() == first.tokenizer.backend.get_vocab()
    known = [first.tokenizer.backend.token_to_id(word) for word in ("fever", "oedema")]
    assert again.words.weight[known].equal(first.words.weight[known])


def test_a_file_of_other_words_is_refused(tmp_path):
    (tmp_path / "other.vec").write_text("2 4\nFEVER 1 2 3 4\nCOUGH 1 2 3 4\n")
    with pytest.raises(WeightsError, match="none of the 8 words of the training texts"):
        encoder(vectors=str(tmp_path / "other.vec"), width=None)
    encoder().save_files(tmp_path)  # the words of an earlier stage are asked no less
    with pytest.raises(WeightsError, match="none of the 8 words of the training texts"):
        GruEncoder(Corpus(tokenizer_file=tmp_path / "tokenizer.json"), vectors=str(tmp_path / "other.vec"))


def test_both_ways_is_a_packed_bidirectional_gru():
    torch.manual_seed(0)
    ours, reference = BothWays(4, 3), nn.GRU(4, 3, batch_first=True, bidirectional=True)
    for name, parameter in ours.forwards.named_parameters():
        getattr(reference, name).data.copy_(parameter.data)
    for name, parameter in ours.backwards.named_parameters():
        getattr(reference, f"{name}_reverse").data.copy_(parameter.data)
    lengths, tokens = torch.tensor([5, 1, 3]), torch.randn(3, 5, 4)
    packed = nn.utils.rnn.pack_padded_sequence(tokens, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    at = torch.arange(5)
    turned = torch.where(at < lengths[:, None], lengths[:, None] - 1 - at, at)
    real = (at < lengths[:, None])[..., None]
    torch.testing.assert_close(ours(tokens, turned) * real, expected * real)


@pytest.mark.parametrize("pool", ["last", "mean"])
def test_the_pooled_text_is_what_it_says(pool):
    model = encoder(pool=pool)
    ids, mask = batch(model)
    found = model(ids, mask, ("tokens", "pooled"))
    assert found["tokens"].shape == (*ids.shape, 6) and model.width == 6
    for row, length in enumerate(mask.sum(1).tolist()):
        tokens = found["tokens"][row, :length]
        expected = tokens.mean(0) if pool == "mean" else torch.cat([tokens[-1, :3], tokens[0, 3:]])
        torch.testing.assert_close(found["pooled"][row], expected)


def test_every_word_reaches_every_token():
    model = encoder()
    ids, mask = batch(model, ("cough and fever", "cough and cough"))
    tokens = model(ids, mask, ("tokens",))["tokens"]
    assert (tokens[0] != tokens[1]).any(1).all()


def test_parameters_that_cannot_be_are_refused(vectors):
    with pytest.raises(ConfigError, match="hidden is empty"):
        encoder(hidden=())
    with pytest.raises(ConfigError, match="brings its own"):
        encoder(vectors=vectors, width=6)


def test_it_is_built_on_the_meta_device_without_reading_the_vectors(vectors):
    with torch.device("meta"):
        model = GruEncoder(Corpus(), vectors=vectors, hidden=(5, 3), vocab_size=40)
        found = model(torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.bool), ("tokens", "pooled"))
    assert model.words.embedding_dim == 4 and found["pooled"].shape == (2, 6)
