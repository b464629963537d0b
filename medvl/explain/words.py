"""The words of a text, and the columns of token ids that stand for each."""

from __future__ import annotations

from dataclasses import dataclass

from medvl.explain.case import Case
from medvl.models.tokenizer import Tokenizer


@dataclass(frozen=True)
class Word:
    """A word or mark of a text: its characters, and its pieces' columns of `text.ids`."""

    text: str
    start: int
    stop: int
    columns: tuple[int, ...]


def words_of(text: str, tokenizer: Tokenizer) -> list[Word]:
    """In order, as far as the tokenizer reads the text."""
    encoding = tokenizer.backend.encode(text)
    columns: dict[int, list[int]] = {}
    for column, word in enumerate(encoding.word_ids):
        if word is not None:
            columns.setdefault(word, []).append(column)
    found = []
    for pieces in columns.values():
        start, stop = encoding.offsets[pieces[0]][0], encoding.offsets[pieces[-1]][1]
        found.append(Word(text[start:stop], start, stop, tuple(pieces)))
    return found


def telling(words: list[Word], case: Case, shares: list[float], asked: str | None, most: int) -> list[int]:
    """Places of the words to show first, each once: the one asked for, then words that name the case's findings
    (`effusion` of Pleural Effusion), then those that look at the image most."""
    names = {finding.lower().split()[-1] for finding in case.positives}
    named = [place for place, word in enumerate(words) if word.text.lower() in names]
    wanted = [place for place, word in enumerate(words) if asked is not None and word.text.lower() == asked.lower()]
    letters = [place for place, word in enumerate(words) if len(word.text) > 3 and word.text.isalpha()]
    looking = sorted(letters or range(len(words)), key=lambda place: -shares[place])
    first: dict[str, int] = {}
    for place in (*wanted, *named, *looking):
        first.setdefault(words[place].text.lower(), place)
    return list(first.values())[:most]
