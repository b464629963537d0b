import numpy as np
import pyarrow as pa
import pytest

from medvl.data.cache import cache_folder
from medvl.data.study_table import open_table
from medvl.data.texts import TextRule, Texts
from medvl.datasets.phantom.dataset import Phantom
from medvl.models import token_store
from medvl.models.token_store import tokenize
from medvl.models.tokenizer import Tokenizer, nominal_wordpiece, train_wordpiece


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def texts():
    return Texts(open_table(Phantom(patients=30)), TextRule.of({"join": ["indication", "comparison"]}))


@pytest.fixture
def tokenizer(texts):
    return train_wordpiece(texts.of(np.arange(len(texts))), 300, 32)


def refuse(monkeypatch):
    def encode(self, texts):
        raise AssertionError("tokenised again")

    monkeypatch.setattr(Tokenizer, "encode", encode)


def test_ids_are_those_of_the_tokenizer(texts, tokenizer, monkeypatch):
    monkeypatch.setattr(token_store, "ROWS", 7)
    expected, offsets = tokenizer.encode(texts.read(np.arange(len(texts))).to_pylist())
    found = tokenize(texts, tokenizer)
    assert (found.ids.dtype, found.offsets.dtype, found.pad) == (np.uint16, np.int64, tokenizer.pad)
    np.testing.assert_array_equal(found.ids, expected)
    np.testing.assert_array_equal(found.offsets, offsets)


def test_a_second_run_does_not_tokenise_again(texts, tokenizer, monkeypatch):
    first = tokenize(texts, tokenizer)
    refuse(monkeypatch)
    again = tokenize(Texts(open_table(Phantom(patients=30)), texts.rule), tokenizer)
    np.testing.assert_array_equal(first.ids, again.ids)
    assert not again.ids.flags.owndata


@pytest.mark.parametrize("change", ["rule", "table", "vocabulary", "length"])
def test_other_texts_or_another_tokenizer_are_tokenised(texts, tokenizer, change, monkeypatch):
    tokenize(texts, tokenizer)
    if change == "rule":
        texts = Texts(texts.table, TextRule(("indication", "comparison")))
    elif change == "table":
        texts = Texts(open_table(Phantom(patients=30, seed=1)), texts.rule)
    elif change == "vocabulary":
        tokenizer = nominal_wordpiece(300, 32)
    else:
        tokenizer = Tokenizer(tokenizer.backend, 31)
    refuse(monkeypatch)
    with pytest.raises(AssertionError, match="tokenised again"):
        tokenize(texts, tokenizer)


def test_what_a_kill_or_a_full_disk_left_is_not_read(texts, tokenizer):
    whole = tokenize(texts, tokenizer).ids.copy()
    for name in ("ids", "offsets.npy"):
        (file,) = cache_folder("tokens").rglob(name)
        file.write_bytes(file.read_bytes()[:-10])
        np.testing.assert_array_equal(tokenize(texts, tokenizer).ids, whole)


def test_large_vocabularies_have_wider_ids(texts):
    assert tokenize(texts, nominal_wordpiece(2**16, 16)).ids.dtype == np.uint16
    assert tokenize(texts, nominal_wordpiece(2**16 + 1, 16)).ids.dtype == np.int32


def test_progress_is_told(texts, tokenizer, monkeypatch):
    monkeypatch.setattr(token_store, "ROWS", len(texts) // 2)
    told = []
    tokenize(texts, tokenizer, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(texts), len(texts)) and len(told) >= 2


def test_equal_texts_are_encoded_once(tokenizer, monkeypatch):
    seen = []
    plain = Tokenizer.encode
    monkeypatch.setattr(Tokenizer, "encode", lambda self, texts: seen.extend(texts) or plain(self, texts))
    ids, lengths = token_store._encoded(pa.array(["cough", "fever", "cough", ""]), tokenizer)
    assert sorted(seen) == ["", "cough", "fever"]
    assert ids.tolist() == plain(tokenizer, ["cough", "fever", "cough", ""])[0].tolist()
    assert lengths.sum() == len(ids)
