import ast
import subprocess
import sys

import pytest
import tokenizers

from medvl.errors import ConfigError
from medvl.models.tokenizer import SPECIAL_TOKENS, Tokenizer, nominal_wordpiece, train_wordpiece

TEXTS = ["Chest pain, fever.", "cough and fever since 3 days", "no fever; chest tube", "Bébé with cough"] * 5


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    ids, _ = tokenizer.encode([text])
    return [tokenizer.backend.id_to_token(int(i)) for i in ids]


def test_training_gives_known_words_and_pieces():
    tokenizer = train_wordpiece(TEXTS, 200, 16)
    assert pieces(tokenizer, "Fever, COUGH") == ["[CLS]", "fever", ",", "cough", "[SEP]"]
    assert pieces(tokenizer, "xyz") == ["[CLS]", "[UNK]", "[SEP]"]
    split = pieces(tokenizer, "feco")
    assert "".join(piece.removeprefix("##") for piece in split[1:-1]) == "feco" and len(split) > 3
    assert (tokenizer.pad, tokenizer.unknown, tokenizer.cls, tokenizer.sep, tokenizer.mask) == (0, 1, 2, 3, 4)


def test_the_vocabulary_is_no_larger_than_asked():
    tokenizer = train_wordpiece(TEXTS, 60, 16)
    assert tokenizer.size <= 60
    assert sorted(tokenizer.backend.get_vocab().values()) == list(range(tokenizer.size))


def test_equal_texts_in_any_order_give_equal_vocabularies_in_any_process():
    """The trainer by itself numbers pieces by a hash that is seeded anew in each process."""
    program = (
        "import sys, random; from medvl.models.tokenizer import train_wordpiece; from tests.models.test_tokenizer "
        "import TEXTS; texts = list(TEXTS); random.Random(int(sys.argv[1])).shuffle(texts); "
        "print(sorted(train_wordpiece(texts, 120, 16).backend.get_vocab().items()))"
    )
    runs = [subprocess.run([sys.executable, "-c", program, str(n)], capture_output=True, check=True) for n in range(3)]
    assert runs[0].stdout == runs[1].stdout == runs[2].stdout and runs[0].stdout
    assert ast.literal_eval(runs[0].stdout.decode()) == sorted(
        train_wordpiece(TEXTS, 120, 16).backend.get_vocab().items()
    )


def test_long_texts_are_cut_and_end_in_sep():
    tokenizer = train_wordpiece(TEXTS, 200, 6)
    assert pieces(tokenizer, "fever cough fever cough fever cough") == [
        "[CLS]", "fever", "cough", "fever", "cough", "[SEP]",
    ]  # fmt: skip


def test_a_saved_tokenizer_comes_back(tmp_path):
    tokenizer = train_wordpiece(TEXTS, 200, 16)
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.read(tmp_path / "tokenizer.json", 16)
    assert again.backend.get_vocab() == tokenizer.backend.get_vocab()
    assert [a.tolist() for a in again.encode(TEXTS)] == [a.tolist() for a in tokenizer.encode(TEXTS)]
    assert len(pieces(Tokenizer.read(tmp_path / "tokenizer.json", 4), "fever cough fever cough")) == 4


def test_a_nominal_vocabulary_has_its_size():
    tokenizer = nominal_wordpiece(300, 16)
    assert tokenizer.size == 300
    assert pieces(tokenizer, "fever") == ["[CLS]", "[UNK]", "[SEP]"]


def test_no_texts_give_the_special_tokens_alone():
    assert train_wordpiece([], 200, 16).size == len(SPECIAL_TOKENS)
    ids, offsets = train_wordpiece([], 200, 16).encode([])
    assert ids.tolist() == [] and offsets.tolist() == [0]


def test_roberta_s_spelling_is_understood():
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "fever"]
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>")
    )
    tokenizer = Tokenizer(backend, 16)
    assert (tokenizer.pad, tokenizer.unknown, tokenizer.cls, tokenizer.sep, tokenizer.mask) == (1, 3, 0, 2, 4)


def test_a_vocabulary_without_special_tokens_is_refused():
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({"fever": 0}, unk_token="fever"))
    with pytest.raises(ConfigError, match=r"no token \[PAD\]"):
        Tokenizer(backend, 16)


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_files_that_are_no_tokenizer_are_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ConfigError, match=r"tokenizer\.json cannot be read"):
        Tokenizer.read(tmp_path / "tokenizer.json", 16)
