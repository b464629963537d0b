"""Reports as words, generated and original ones by one rule, so that they are compared on equal terms."""

from __future__ import annotations

from collections.abc import Iterable

import tokenizers


def words_of(texts: Iterable[str]) -> list[str]:
    """Each text as lower-cased words with one blank between them; punctuation marks are words of their own.

    It is what BERT's uncased tokenizers do before they cut words into pieces (Devlin 2019), whatever tokenizer a model
    has: accents and control characters go, `3.5 cm.` becomes `3 . 5 cm .`, a text without a word becomes the empty one.
    """
    normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    splitter = tokenizers.pre_tokenizers.BertPreTokenizer()
    return [" ".join(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))) for text in texts]
