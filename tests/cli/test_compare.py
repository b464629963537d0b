"""`medvl compare` on runs whose predictions are written here."""

import csv
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from medvl import DataSpec
from medvl.cli.compare import METRICS
from medvl.data.dataset import IMAGE, PATIENT
from medvl.evaluate.base import Cases
from medvl.evaluate.measures import MEASURES
from medvl.evaluate.perplexity import Perplexity
from medvl.runs.draws import write_draws
from medvl.runs.folder import RESULTS, draws_file, predictions_file
from medvl.runs.manifest import Manifest
from medvl.runs.predictions import case_keys, write_predictions
from tests.cli.test_verbs import medvl, typed

LABELS = ("Edema", "Fracture", "Hernia")
SIZE = 300


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def finished(tmp_path):
    """A run's folder with test predictions; `better` moves the logits of Edema towards its labels."""

    def make(name, better=0.0, first=0, reverse=False, labels=LABELS):
        truth = (np.random.default_rng(0).random((SIZE, 3)) < [0.3, 0.4, 0]).astype(np.float32)  # Hernia: no positive
        logits = np.random.default_rng(1).normal(size=truth.shape) + truth + [better, 0, 0] * truth
        noise = 0.05 * np.random.default_rng(len(name)).normal(size=truth.shape)
        ids = np.arange(first, first + SIZE)
        order = slice(None, None, -1 if reverse else 1)
        table = pa.table({IMAGE: [f"{i}.png" for i in ids[order]], PATIENT: [str(i // 2) for i in ids[order]]})
        cases = Cases(
            np.arange(SIZE), ids[order] // 2, {"labels": truth[order]},
            {"logits": (logits + noise)[order].astype(np.float32)},
        )  # fmt: skip
        folder = tmp_path / "runs" / name / "finetune-0123"
        (folder / "predictions").mkdir(parents=True)
        manifest = Manifest(name, "finetune")
        manifest.finish("complete", seconds=1.0, samples=1)
        manifest.write(folder)
        (folder / RESULTS).write_text("[]")
        write_predictions(folder / predictions_file("test"), cases, table, labels)
        return folder.parent

    return make


def row(output, finding):
    (line,) = [line for line in output.splitlines() if line.split()[:1] == [finding]]
    return line


def test_a_better_run_is_found_whatever_the_order_of_its_cases(finished, tmp_path):
    output = medvl("compare", finished("base"), finished("better", 1.0, reverse=True), "--replicates", 300, "--medvill")
    assert "AUROC: better minus base" in output
    edema, fracture = row(output, "Edema"), row(output, "Fracture")
    assert "+0." in edema and "0.013" in edema  # p 2 / 301, times the two findings that are defined
    assert float(fracture.split()[-2]) > 0.05
    assert row(output, "Hernia").split()[1:] == ["–"] * 6
    assert "Hernia: no positive case, undefined" in output
    assert "300 paired draws of 150 patients" in output
    assert "its p shrinks as replicates grow" in " ".join(output.split())
    with (tmp_path / "comparison" / "auroc-test.csv").open() as file:
        assert [line["finding"] for line in csv.DictReader(file)] == ["macro", "micro", *LABELS]
    assert (tmp_path / "comparison" / "auroc-test.png").read_bytes().startswith(b"\x89PNG")


def test_three_runs_give_two_tables_and_one_picture(finished, tmp_path):
    runs = [finished("base"), finished("one", 0.5), finished("three", 1.0)]
    output = medvl("compare", *runs, "--metric", "brier", "--replicates", 20, "--out", "here")
    assert "Brier score: one minus base (below 0 is better)" in output
    assert "Brier score: three minus base" in output
    assert "no adjusted p can be below 0.19. draw at least 80" in " ".join(output.split())
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [
        "brier-test-1.csv", "brier-test-1.md", "brier-test-2.csv", "brier-test-2.md", "brier-test.png",
    ]  # fmt: skip


def test_runs_that_cannot_be_compared_are_refused(finished, capsys):
    base, moved = finished("base"), finished("moved", first=100)
    _, error = typed(capsys, "compare", base, moved, code=1)
    assert "'base' and 'moved' predicted different cases" in error and "200 images in common" in error
    _, error = typed(capsys, "compare", base, finished("named", labels=("Edema", "Fracture", "Nodule")), code=1)
    assert "different findings" in error and "Hernia, Nodule" in error
    _, error = typed(capsys, "compare", base, moved, "--split", "tset", code=1)
    assert "no predictions of split 'tset'. did you mean 'test'?" in error
    _, error = typed(capsys, "compare", base, base, code=1)
    assert "given twice" in error
    _, error = typed(capsys, "compare", base, code=2)
    assert "at least two runs" in error


def test_every_measure_can_be_asked_for():
    assert tuple(MEASURES) == METRICS


@pytest.mark.parametrize("options", [["--replicates", "5"], ["--metric", "perplexity"]])
def test_comparing_imports_no_torch(finished, writing, options):
    runs = [writing("plain"), writing("other")] if "perplexity" in options else [finished("base"), finished("better")]
    arguments = ["compare", *map(str, runs), *options]
    code = (
        "import sys\nfrom medvl.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as done:\n    assert not done.code\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.fixture
def answering(tmp_path):
    """A run's folder with answers to questions, three an image; `right` is the share of right ones."""

    def make(name, right):
        random = np.random.default_rng(len(name))
        truth = np.random.default_rng(0).integers(-1, 4, SIZE)
        given = np.where(random.random(SIZE) < right, truth, (truth + 1) % 4)
        images = [f"{row // 3}.png" for row in range(SIZE)]
        table = pa.table({IMAGE: images, PATIENT: images, "question": [row % 3 for row in range(SIZE)]})
        told = {"kind": "closed", "type": "PRES", "organ": "chest"}
        fields = {"answers": truth, **{key: np.full(SIZE, word) for key, word in told.items()}}
        folder = tmp_path / "runs" / name / "vqa-0123"
        (folder / "predictions").mkdir(parents=True)
        manifest = Manifest(name, "vqa")
        manifest.finish("complete", seconds=1.0, samples=1)
        manifest.write(folder)
        (folder / RESULTS).write_text("[]")
        cases = Cases(np.arange(SIZE), np.arange(SIZE) // 3, fields, {"answer": given})
        write_predictions(folder / predictions_file("test"), cases, table, ())
        return folder.parent

    return make


def test_answers_are_compared_by_their_accuracy(answering, finished, tmp_path, capsys):
    poor = answering("poor", 0.3)
    output = medvl("compare", poor, answering("better", 0.8), "--replicates", 100)
    assert "accuracy: better minus poor" in output and "100 paired draws of 100 patients" in output
    assert row(output, "all")[:3] and "+0." in row(output, "all")
    assert row(output, "PRES").split()[-1] == "0.020"  # 2 / 101, in a family of one
    assert (tmp_path / "comparison" / "accuracy-test.png").read_bytes().startswith(b"\x89PNG")
    _, error = typed(capsys, "compare", poor, finished("base"), code=1)
    assert "only one of them answers questions" in error or "different cases" in error
    _, error = typed(capsys, "compare", poor, answering("other", 0.5), "--metric", "auroc", code=2)
    assert "give accuracy" in error


@pytest.fixture
def writing(tmp_path):
    """A run's folder of a model that is judged by its perplexity; `better` nats a token better than chance."""

    def make(name, better=0.0, first=0, **parameters):
        random, tokens = np.random.default_rng(0), np.random.default_rng(1).integers(3, 20, SIZE)
        likelihood = tokens * (better - 4 + random.normal(size=SIZE))
        images = [f"{first + row}.png" for row in range(SIZE)]
        outputs = {"log_likelihood": likelihood, "tokens": tokens}
        cases = Cases(np.arange(SIZE), np.arange(SIZE) // 2, {}, outputs)
        evaluator = Perplexity(DataSpec(), **{"replicates": 100} | parameters)
        folder = tmp_path / "runs" / name / "writing-0123"
        table = pa.table({IMAGE: images, PATIENT: images})
        write_predictions(folder / predictions_file("test"), cases, table, ())
        keys = case_keys(table, cases.rows)
        write_draws(folder / draws_file("perplexity-test"), 0, evaluator, evaluator.evaluate(cases), keys)
        (folder / RESULTS).write_text("[]")
        manifest = Manifest(name, "writing")
        manifest.finish("complete", seconds=1.0, samples=1)
        manifest.write(folder)
        return folder.parent

    return make


def test_other_metrics_are_compared_in_the_draws_that_runs_kept(writing, tmp_path):
    output = medvl("compare", writing("plain"), writing("better", 0.5), "--metric", "perplexity", "--medvill")
    assert "perplexity: better minus plain (below 0 is better)" in output
    cells = row(output, "perplexity").split()
    better, plain, difference, low, _, high = cells[1:7]
    assert float(better) == pytest.approx(np.exp(-0.5) * float(plain), abs=0.02) and len(plain.partition(".")[2]) == 2
    assert float(difference) == pytest.approx(float(better) - float(plain), abs=0.02)
    assert float(low.strip("(")) < float(difference) < float(high.strip(")")) < 0
    assert "100 draws of 150 patients, as the runs kept them" in " ".join(output.split())
    assert (tmp_path / "comparison" / "perplexity-test.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "comparison" / "perplexity-test.csv").open() as file:
        assert [line["metric"] for line in csv.DictReader(file)] == ["perplexity"]


def test_draws_that_cannot_be_compared_are_refused(writing, finished, capsys):
    plain = writing("plain")

    def refused(other, *arguments, metric="perplexity", code=1):
        asked = ["--metric", metric] if metric else []
        return typed(capsys, "compare", plain, other, *asked, *arguments, code=code)[1]

    assert "their draws differ in images (#" in refused(writing("moved", first=7))
    assert "seed (3 and 0)" in refused(writing("seeded", seed=3))
    assert "did you mean 'perplexity'?" in refused(writing("other"), metric="perplexty")
    assert "did you mean 'auroc'?" in refused(writing("again"), metric="aurocc")
    assert "--replicates: perplexity is compared in the draws" in refused(writing("one"), "--replicates", 5, code=2)
    assert "--metric NAME: all kept draws of perplexity" in refused(writing("two"), metric=None, code=2)
    assert "kept no draws of split 'test'" in refused(writing("none", replicates=0))
    assert "kept no draws" in refused(finished("findings"), metric="auroc")
