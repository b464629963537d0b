"""What embeddings show of data sets: t-SNE, and how far apart the sets are. After Huang 2023, Figure 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medvl.errors import DataError

LEAST = 10  # cases; fewer have no neighbourhoods to show
PERPLEXITY = 30.0  # van der Maaten 2008 recommends 5 to 50
COMPONENTS = 50  # principal components that t-SNE starts from, as there
FOLDS = 5


@dataclass(frozen=True)
class Embedded:
    """N images of one data set.

    Attributes:
        name: what the data set is called.
        vectors: (N, D) float32.
        keys, patients: (N,) hashes of image and patient.
        labels: names of the K findings.
        values: (N, K) float32, NaN where unknown.
    """

    name: str
    vectors: np.ndarray
    keys: np.ndarray
    patients: np.ndarray
    labels: tuple[str, ...]
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def finding(self, label: str) -> np.ndarray:
        """(N,) values of one finding, NaN where the data set does not have it."""
        if label not in self.labels:
            return np.full(len(self), np.nan, np.float32)
        return self.values[:, self.labels.index(label)]


@dataclass(frozen=True)
class Apartness:
    """How far apart data sets are in the embedding space, not in the picture.

    Attributes:
        auroc: of a linear classifier that tells the sets apart, cross-validated by patient; 0.5 is no difference. Of
            several sets the mean over pairs.
        silhouette: mean silhouette of the sets as clusters (Rousseeuw 1987), in [-1, 1]; about 0 where they overlap.
    """

    auroc: float
    silhouette: float


def tsne(sets: Sequence[Embedded], seed: int) -> np.ndarray:
    """(N, 2) coordinates of all cases of all sets, in order (van der Maaten 2008).

    Raises:
        DataError: too few cases.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    vectors = np.concatenate([each.vectors for each in sets])
    if len(vectors) < LEAST:
        raise DataError(f"{len(vectors)} cases are too few for a t-SNE. do: take {LEAST} or more, --cases, --split")
    parts = min(COMPONENTS, *vectors.shape)
    reduced = PCA(parts, random_state=seed).fit_transform(vectors)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)


def apartness(sets: Sequence[Embedded], seed: int) -> Apartness | None:
    """How far apart two or more sets are; None for one."""
    if len(sets) < 2:
        return None
    from sklearn.metrics import silhouette_score

    which = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    vectors = np.concatenate([each.vectors for each in sets])
    pairs = [(a, b) for b in range(len(sets)) for a in range(b)]
    aurocs = [_told_apart(sets[a], sets[b], seed) for a, b in pairs]
    return Apartness(float(np.mean(aurocs)), float(silhouette_score(vectors, which)))


def _told_apart(a: Embedded, b: Embedded, seed: int) -> float:
    """Cross-validated AUROC of a logistic regression; no patient is on both sides of a fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    which = np.repeat([0, 1], [len(a), len(b)])
    people = np.array([f"{place}{patient}" for place, each in enumerate((a, b)) for patient in each.patients])
    folds = min(FOLDS, *(len(set(each.patients)) for each in (a, b)))
    if folds < 2:
        raise DataError(f"'{a.name}' or '{b.name}' is of one patient, who cannot be told from others. do: take more")
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    vectors = np.concatenate([a.vectors, b.vectors])
    scores = cross_val_predict(linear, vectors, which, groups=people, cv=cut, method="decision_function")
    return float(roc_auc_score(which, scores))
