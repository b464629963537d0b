"""Texts to token ids, once: tokenizers of the package `tokenizers`, and the corpus they are trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers

from medvl.errors import ConfigError
from medvl.files import write_text_atomic

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA_SPELLING = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")


@dataclass(frozen=True)
class Corpus:
    """What a text encoder may build its tokenizer from.

    Attributes:
        texts: gives the training texts, anew at each call; None before data is read (`medvl check`).
        tokenizer_file: the tokenizer of an earlier stage or of the run that is being resumed; wins over `texts`.
    """

    texts: Callable[[], Iterable[str]] | None = None
    tokenizer_file: Path | None = None


class Tokenizer:
    """A tokenizer with BERT's special tokens: `[CLS] words [SEP]`, cut to `max_length`.

    A vocabulary may do without [SEP], as MRM's does; its file then says that texts are `[CLS] words`.

    Args:
        backend: a `tokenizers.Tokenizer`; truncation and padding are set here.
        max_length: most ids of a text, [CLS] and [SEP] included.

    Raises:
        ConfigError: the vocabulary lacks another of the special tokens, in BERT's or RoBERTa's spelling.
    """

    def __init__(self, backend: tokenizers.Tokenizer, max_length: int) -> None:
        self.backend = backend
        self.max_length = max_length
        backend.no_padding()
        backend.enable_truncation(max_length)
        spellings = tuple(zip(SPECIAL_TOKENS, ROBERTA_SPELLING, strict=True))
        self.pad, self.unknown, self.cls, self.mask = (
            _special(backend, *names) for names in spellings if names[0] != "[SEP]"
        )

    @classmethod
    def read(cls, path: Path, max_length: int) -> Tokenizer:
        """The tokenizer of a `tokenizers` JSON file.

        Raises:
            ConfigError: the file is missing or no tokenizer.
        """
        try:
            backend = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises nothing more particular
            raise ConfigError(f"tokenizer file {path} cannot be read: {error}") from error
        return cls(backend, max_length)

    @property
    def sep(self) -> int:
        """The id of [SEP].

        Raises:
            ConfigError: the vocabulary has none.
        """
        return _special(self.backend, "[SEP]", "</s>")

    @property
    def marks(self) -> tuple[int, ...]:
        """Ids that stand for no part of the text: [PAD], [CLS] and, where there is one, [SEP]."""
        found = (self.backend.token_to_id(name) for name in ("[SEP]", "</s>"))
        return (self.pad, self.cls, *(number for number in found if number is not None))

    @property
    def continuing(self) -> tuple[int, ...]:
        """Ids of pieces that continue a word (`##...`)."""
        return tuple(number for piece, number in self.backend.get_vocab().items() if piece.startswith("##"))

    @property
    def size(self) -> int:
        """Number of ids."""
        return self.backend.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(ids, offsets): all ids in one int32 array, text i at `ids[offsets[i]:offsets[i + 1]]`."""
        encodings = self.backend.encode_batch(list(texts))
        lengths = np.fromiter((len(e.ids) for e in encodings), np.int64, len(encodings))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        ids = np.concatenate([np.asarray(e.ids, np.int32) for e in encodings]) if encodings else np.empty(0, np.int32)
        return ids, offsets

    def decode(self, ids: np.ndarray) -> list[str]:
        """(N, L) ids, padded -> N texts; padding, [CLS], [SEP] and [MASK] are left out, and pieces of words joined."""
        decoder = self.backend.decoder
        if isinstance(decoder, tokenizers.decoders.WordPiece):  # its clean-up changes words: "do not" to "don't"
            decoder = tokenizers.decoders.WordPiece(decoder.prefix, cleanup=False)
        silent = {*self.marks, self.mask}
        rows = [
            # a table of embeddings may have more rows than the vocabulary has words
            [self.backend.id_to_token(number) or "[UNK]" for number in row if number not in silent]
            for row in ids.tolist()
        ]
        return [" ".join(row) if decoder is None else decoder.decode(row) for row in rows]

    def save(self, path: Path) -> None:
        """Write a `tokenizers` JSON file, atomically."""
        write_text_atomic(path, self.backend.to_str(pretty=True))


def train_wordpiece(texts: Iterable[str], size: int, max_length: int) -> Tokenizer:
    """A lower-case WordPiece vocabulary of the training texts (Devlin 2019, as in BERT's uncased models).

    Equal texts, in whatever order, give equal ids.

    Args:
        texts: the training texts; gone through twice.
        size: most entries of the vocabulary, special tokens included.
        max_length: most ids of a text, [CLS] and [SEP] included.
    """
    texts = list(texts) if isinstance(texts, Iterator) else texts
    backend = _wordpiece({})
    # the trainer numbers continuing letters (`##a`) in the order of a hash table that differs from run to run, and
    # breaks ties by those numbers; naming them up front, in order, leaves nothing to chance
    used: set[str] = set()
    for text in texts:
        used.update(text)
    letters = sorted(set(backend.normalizer.normalize_str("".join(sorted(used)))) - set(" \t\r\n"))
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=[*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters)],
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return Tokenizer(_wordpiece(backend.get_vocab(), finished=True), max_length)


def nominal_wordpiece(size: int, max_length: int) -> Tokenizer:
    """A vocabulary of this size that knows no word: what `medvl check` builds before any text is read."""
    names = [*SPECIAL_TOKENS, *(f"[unused{number}]" for number in range(size - len(SPECIAL_TOKENS)))]
    return Tokenizer(_wordpiece({name: number for number, name in enumerate(names)}, finished=True), max_length)


def train_words(texts: Iterable[str], size: int) -> list[str]:
    """The most frequent words of the training texts, lower case and without punctuation, at most `size` of them.

    Equal texts, in whatever order, give equal words in equal order: the most frequent first, then by the alphabet.
    """
    backend = _lower_case(tokenizers.Tokenizer(tokenizers.models.WordLevel({}, unk_token="[UNK]")))
    trainer = tokenizers.trainers.WordLevelTrainer(vocab_size=size, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    numbers = backend.get_vocab()
    return sorted(numbers, key=numbers.__getitem__)


def whole_words(words: Iterable[str], max_length: int) -> Tokenizer:
    """A vocabulary of whole words behind the special tokens; whatever else stands in a text is [UNK].

    Args:
        words: lower case, each once.
        max_length: most ids of a text, [CLS] and [SEP] included.
    """
    vocabulary = {name: number for number, name in enumerate([*SPECIAL_TOKENS, *words])}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    return Tokenizer(_marked(_lower_case(tokenizers.Tokenizer(model)), vocabulary), max_length)


def _wordpiece(vocabulary: dict[str, int], finished: bool = False) -> tokenizers.Tokenizer:
    backend = _lower_case(tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]")))
    backend.decoder = tokenizers.decoders.WordPiece()
    return _marked(backend, vocabulary) if finished else backend


def _lower_case(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """What BERT's uncased models do to a text before they look words up."""
    backend.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return backend


def _marked(backend: tokenizers.Tokenizer, vocabulary: dict[str, int]) -> tokenizers.Tokenizer:
    """Texts between [CLS] and [SEP]."""
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return backend


def _special(backend: tokenizers.Tokenizer, *spellings: str) -> int:
    for name in spellings:
        number = backend.token_to_id(name)
        if number is not None:
            return number
    raise ConfigError(f"the tokenizer has no token {' or '.join(spellings)}. do: use one made for BERT or RoBERTa")
