"""A writer whose probabilities stand in a table: what a search finds can be found by trying everything."""

import itertools

import torch

PAD, END = 0, 1


class TableWriter:
    """Scores of the next word from a report's whole text so far, drawn at random once for every text.

    Args:
        reports: number of reports B.
        vocabulary: V, 0 is padding and 1 the end.
        longest: tokens of the longest report.
        seed: of the tables.
        cases: whose tables the reports have; 0, 1, ... where left out.

    Attributes:
        asked: rows of every step.
    """

    def __init__(self, reports, vocabulary=4, longest=4, seed=0, cases=None):
        self.vocabulary = vocabulary
        words = range(2, vocabulary)
        texts = [text for size in range(longest + 1) for text in itertools.product(words, repeat=size)]
        self.tables = []
        for case in range(reports) if cases is None else cases:
            random = torch.Generator().manual_seed(1000 * seed + case)
            self.tables.append({text: self._scores(vocabulary, random) for text in texts})
        self.rows = [(case, ()) for case in range(reports)]
        self.asked = []

    def _scores(self, vocabulary, random):
        scores = 2 * torch.randn(vocabulary, generator=random)
        scores[PAD] = -torch.inf
        return scores.log_softmax(0)

    def step(self, words):
        if words is not None:
            texts = zip(self.rows, words.tolist(), strict=True)
            self.rows = [(case, (*text, word)) for (case, text), word in texts]
        self.asked.append(len(self.rows))
        nothing = torch.zeros(self.vocabulary)  # of a beam that holds what is no text
        return torch.stack([self.tables[case].get(text, nothing) for case, text in self.rows])

    def select(self, rows):
        self.rows = [self.rows[row] for row in rows.tolist()]

    def score(self, case, text, longest):
        """Log probability of a text; without that of its end where it is as long as can be."""
        total = sum(self.tables[case][text[:place]][word] for place, word in enumerate(text))
        return total + (0 if len(text) == longest else self.tables[case][text][END])


def blank(reports, most):
    return torch.full((reports, most), PAD)


def text_of(row):
    return tuple(word for word in row.tolist() if word != PAD)
