"""The rule-based labeler: reports a second on one core, and its agreement with known labels.

    python benchmarks/labeler.py [--patients 2000] [--openi ROOT] [--rounds 3]

The phantom's labels are what its reports say, so that every cell of its confusion tables counts. Open-I's (`--openi`,
laid out as release `kaggle`; no images are needed) are MeSH descriptors that people gave: 1 where a descriptor is
there, -1 where it says borderline, 0 elsewhere, whether the report denies the finding or does not mention it. There
the last column is no error where 0 was known. Run it with OMP_NUM_THREADS=1.
"""

import argparse
import statistics
import time

import numpy as np

from medvl.data.dataset import LABEL_PREFIX, STUDY, TEXT_PREFIX
from medvl.datasets.openi.dataset import Openi
from medvl.datasets.phantom.dataset import Phantom
from medvl.evaluate.clinical_efficacy import clinical_efficacy
from medvl.evaluate.labelling import confusion
from medvl.labelers.base import NOT_MENTIONED, STATES
from medvl.labelers.rules import Rules


def labelled_reports(dataset):
    """(reports, labels (N, K)) of each study that has a report and labels."""
    rows = {row[STUDY]: row for row in dataset.table().to_pylist()}.values()
    reports, labels = [], []
    for row in rows:
        report = " ".join(filter(None, (row[TEXT_PREFIX + section] for section in ("findings", "impression"))))
        known = [row[LABEL_PREFIX + name] for name in dataset.labels]
        if report and any(label is not None for label in known):
            reports.append(report)
            labels.append([NOT_MENTIONED if label is None else label for label in known])
    return reports, np.array(labels, np.int8)


def show(title, dataset, labeler, rounds):
    reports, known = labelled_reports(dataset)
    seconds = []
    for _ in range(rounds):
        start = time.process_time()  # of this process alone: others may share the core
        found = labeler.label(reports)
        seconds.append(time.process_time() - start)
    found = found[:, [labeler.findings.index(name) for name in dataset.labels]]
    speed = len(reports) / statistics.median(seconds)
    print(f"{title}: {len(reports)} reports, {speed:.0f} a second of one core (median of {rounds} rounds)")
    states = ", ".join(STATES.values())
    print(f"known state by row and found state by column: {states}")
    for name, table in zip(dataset.labels, confusion(known, found), strict=True):
        print(f"  {name:28s}{'  |  '.join(' '.join(f'{n:5d}' for n in row) for row in table)}")
    metrics = clinical_efficacy(known, found).metrics()
    macro, micro = (metrics[f"clinical_positive_f1_{average}"] for average in ("macro", "micro"))
    print(f"  F1 of the positive state: {macro:.3f} macro, {micro:.3f} micro")
    if (known == NOT_MENTIONED).any():
        print(f"  equal labels: {(known == found).mean():.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--openi", metavar="ROOT")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    labeler = Rules()
    show("phantom", Phantom(patients=asked.patients), labeler, asked.rounds)
    if asked.openi:
        show("Open-I", Openi(root=asked.openi, release="kaggle"), labeler, asked.rounds)


if __name__ == "__main__":
    main()
