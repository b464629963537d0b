"""Paired differences beside a table's values, of made-up draws and of a run."""

import csv
import io
import math

import numpy as np
import pytest

from medvl import Cases, ConfigError, DataSpec
from medvl.config.layout import Layout
from medvl.config.matrix import Cell, Matrix
from medvl.config.source import Tree
from medvl.evaluate.bootstrap import difference_of
from medvl.evaluate.perplexity import Perplexity
from medvl.runs.draws import write_draws
from medvl.runs.folder import draws_file
from medvl.tables.render import Rendering
from medvl.tables.values import CellResult, read_cells
from tests.tables import small_table

AXES = {"method": ("plain", "tuned"), "data": ("here", "there"), "seed": ("0", "1")}
SIZE = 50


def judged(folder, method, data, seed, drawn_by=0, replicates=60):
    """A finished run: tuned models are better on there's cases, and differ from seed to seed."""
    random, tokens = np.random.default_rng([int(seed), method == "tuned"]), np.full(SIZE, 10)
    likelihood = tokens * (random.normal(-2, 0.2, SIZE) + 0.3 * (method == "tuned" and data == "there"))
    cases = Cases(np.arange(SIZE), np.arange(SIZE), {}, {"log_likelihood": likelihood, "tokens": tokens})
    evaluator = Perplexity(DataSpec(), replicates=replicates, seed=drawn_by)
    result = evaluator.evaluate(cases)
    write_draws(folder / draws_file("perplexity-test"), 0, evaluator, result, [f"{data}{row}" for row in cases.rows])
    return result


@pytest.fixture
def rendering(tmp_path):
    """A rendering of the table against `plain`; `change(choices)` gives other parameters of a run, or no run."""

    def make(change=lambda choices: {}, over=("seed",), rows="method"):
        columns = tuple(axis for axis in AXES if axis not in (*over, rows))
        layout = Layout(metric="write/perplexity", rows=rows, columns=columns, over=over, against=AXES[rows][0])
        cells = []
        for number in range(8):
            places = np.unravel_index(number, (2, 2, 2))
            choices = {axis: AXES[axis][place] for axis, place in zip(AXES, places, strict=True)}
            parameters, folder = change(choices), tmp_path / f"write-{number}"
            if parameters == "excluded":
                continue
            result = None if parameters is None else judged(folder, **choices, **parameters)
            cells.append(CellResult(Cell(choices), layout.metrics[0], folder, result, ""))
        matrix = Matrix(Tree(), AXES, [each.cell for each in cells], layout, None)
        return Rendering("x", matrix, cells)

    return make


def by_hand(rendering, data, seeds=("0", "1")):
    results = {str(each.cell): each.result for each in rendering.cells}
    pairs = [[results[f"method={m}, data={data}, seed={s}"] for m in ("tuned", "plain")] for s in seeds]
    point = np.mean([one.metrics["perplexity"] - other.metrics["perplexity"] for one, other in pairs])
    draws = [one.draws.values["perplexity"] - other.draws.values["perplexity"] for one, other in pairs]
    return difference_of(float(point), np.mean(draws, axis=0))


def spelled(found, star="*"):
    return f"({found.difference:+.3f}, {found.low:+.3f} to {found.high:+.3f}){star}"


def test_seeds_are_averaged_in_each_draw(rendering):
    made = rendering()
    table = made.table()
    assert table.rows[0][0] == "plain" and not any("+" in cell for cell in table.rows[0])
    here, there = table.rows[1][1:]
    assert there.endswith(spelled(by_hand(made, "there"))) and by_hand(made, "there").high < 0
    assert here.endswith(spelled(by_hand(made, "here"), star=""))
    notes = "\n".join(table.notes)
    assert "with a sign: minus plain" in notes and "60 draws of 50 patients, the same for both" in notes
    assert "seeds are held fixed" in notes and "less is better: perplexity" in notes
    for text in (table.markdown(), table.latex(), table.html()):
        assert spelled(by_hand(made, "there")) in text


def test_every_run_has_its_own_difference_in_the_long_table(rendering):
    made = rendering()
    rows = list(csv.DictReader(io.StringIO(made.cells_csv())))
    (row,) = [row for row in rows if (row["method"], row["data"], row["seed"]) == ("tuned", "there", "1")]
    found = by_hand(made, "there", seeds=("1",))
    numbers = [float(row[name]) for name in ("difference", "difference_low", "difference_high")]
    assert numbers == pytest.approx([found.difference, found.low, found.high], abs=1e-5)
    assert {row["difference"] for row in rows if row["method"] == "plain"} == {""}


def test_one_run_each(rendering):
    table = rendering(lambda choices: "excluded" if choices["seed"] == "1" else {}).table()
    assert table.rows[1][2].count("(") == 2 and "each run is held fixed" in "\n".join(table.notes)


def test_a_twin_is_no_different(rendering):
    made = rendering(lambda choices: "excluded" if choices["seed"] == "1" else {})
    plain, other = (next(each for each in made.cells if each.cell.choices["method"] == m) for m in AXES["method"])
    twin = CellResult(other.cell, other.metric, plain.folder, plain.result, "")
    assert Rendering("x", made.matrix, [plain, twin]).table().rows[1][1].endswith("(+0.000, +0.000 to +0.000)")


def test_seeds_that_only_one_row_has_are_left_out(rendering):
    lacking = {"method": "plain", "data": "there", "seed": "1"}
    made = rendering(lambda choices: None if choices == lacking else {})
    table = made.table()
    assert table.rows[1][2].endswith(spelled(by_hand(made, "there", seeds=("0",))))
    assert "difference to plain over the 1 of 2 runs that both rows have: tuned, there" in table.notes


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"drawn_by": 3}, "draws differ in seed (3 and 0)"),
        ({"replicates": 20}, "draws differ in replicates (20 and 60)"),
        ({"replicates": 0}, "a run kept no draws"),
    ],
)
def test_what_cannot_be_paired_is_told(rendering, change, why):
    one = {"method": "tuned", "data": "there", "seed": "1"}
    table = rendering(lambda choices: change if choices == one else {}).table()
    assert f"no difference to plain, {why}: tuned, there" in table.notes
    assert "+" in table.rows[1][1] and "+" not in table.rows[1][2]


def test_other_cases_are_no_pair(rendering):
    """Rows of other data: the images differ, whatever else is equal."""
    table = rendering(rows="data", over=("method", "seed")).table()
    assert "no difference to here, draws differ in images (#" in table.notes[1] and "+" not in table.rows[1][1]


def test_a_row_without_its_like(rendering):
    gone = {"method": "plain", "data": "there"}
    table = rendering(lambda choices: "excluded" if gone.items() <= choices.items() else {}).table()
    assert "no difference to plain, 'plain' has no such cell: tuned, there" in table.notes
    missing = rendering(lambda choices: None if gone.items() <= choices.items() else {}).table()
    assert not any("no difference" in note for note in missing.notes) and "+" not in missing.rows[1][2]


def test_an_unknown_row_is_refused_before_anything_runs(tmp_path):
    file = small_table.write(tmp_path, ("  over: seed\n", "  over: seed\n  against: rndom\n"))
    with pytest.raises(
        ConfigError, match=r"table.yaml:\d+ table.against: unknown choice 'rndom' of axis 'method'. did"
    ):
        small_table.plan(file)


def test_a_run_table_against_a_row(finished):
    plan = small_table.plan(finished.file, "table.against=random")
    rendering = Rendering(plan.name, plan.matrix, read_cells(plan, {}))
    table = rendering.table()
    assert "(+" in table.rows[1][2] or "(-" in table.rows[1][2]
    notes = "\n".join(table.notes)
    assert "no difference to random, 'random' has no such cell: moco, 1 %" in notes and "20 draws of" in notes
    rows = [row for row in csv.DictReader(io.StringIO(rendering.cells_csv())) if row["difference"]]
    assert [(row["method"], row["labels"]) for row in rows] == [("moco", "all")] * 2
    for row in rows:
        baseline = next(
            each.value("auroc_macro").value
            for each in rendering.cells
            if each.cell.choices == {"method": "random", "labels": "all", "seed": row["seed"]}
        )
        assert math.isclose(float(row["difference"]), float(row["value"]) - baseline)
