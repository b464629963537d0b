"""A table file: axes and choices, what they change in each cell, and what is refused."""

import pytest

from medvl.config.matrix import Matrix, read_matrix
from medvl.config.resolve import overridden_tree, plugin_requests, read_tree, resolve
from medvl.config.source import value_at
from medvl.errors import ConfigError
from medvl.plugins import Plugins
from tests.config.experiments import TWO_STAGES

TABLE = """\
extends: x.yaml
name: table
matrix:
  method:
    none: {pretrain: null, finetune.image.init: null}
    moco: {}
    warm: {pretrain.objective.temperature: 0.5, pretrain.optim: {lr: "${seed}"}}
  rate:
    1e-3: {}
    quick: {finetune.optim.lr: 0.1, pretrain.budget.epochs: 2}
  seed:
    0: {seed: 0}
    1: {seed: 1}
exclude:
  - {method: none, rate: [quick], seed: 1}
table:
  metric: finetune/auroc_macro
  rows: method
  columns: rate
  over: seed
  paper: {source: "Nobody 2020, table 1", scale: 0.01, values: {moco: {quick: 78.1, "0.001": null}}}
"""


@pytest.fixture
def matrix_of(tmp_path):
    (tmp_path / "x.yaml").write_text(TWO_STAGES)

    def read(*changes: tuple[str, str], overrides: tuple[str, ...] = ()) -> Matrix:
        text = TABLE
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "table.yaml"
        path.write_text(text)
        tree = overridden_tree(path, overrides)
        return read_matrix(tree, Plugins(*plugin_requests(tree)))

    return read


def problems_of(matrix_of, *changes):
    with pytest.raises(ConfigError) as caught:
        matrix_of(*changes)
    return caught.value.problems


def cell(matrix, **choices):
    return next(each for each in matrix.cells if each.choices == choices)


def test_cells_are_all_combinations_that_are_not_excluded(matrix_of):
    matrix = matrix_of()
    assert matrix.axes == {"method": ("none", "moco", "warm"), "rate": ("0.001", "quick"), "seed": ("0", "1")}
    assert len(matrix.cells) == 3 * 2 * 2 - 1
    assert [str(each) for each in matrix.cells[:4]] == [
        "method=none, rate=0.001, seed=0", "method=none, rate=0.001, seed=1", "method=none, rate=quick, seed=0",
        "method=moco, rate=0.001, seed=0",
    ]  # fmt: skip


def test_a_cell_is_the_experiment_with_its_choices_in_the_order_of_the_axes(matrix_of):
    matrix = matrix_of(overrides=("finetune.optim.lr=7", "optim.weight_decay=0.5"))
    values = matrix.tree_of(cell(matrix, method="warm", rate="quick", seed="1")).values
    assert not {"matrix", "exclude", "table"} & set(values) and values["seed"] == 1
    assert value_at(values, ("stages", "pretrain", "objective")) == {
        "name": "moco",
        "queue_size": 16,
        "temperature": 0.5,
    }
    optim = value_at(values, ("stages", "pretrain", "optim"))
    assert optim["lr"] == 1 and optim["schedule"] == "cosine"  # a mapping changes parts; references see the choices
    assert value_at(values, ("stages", "finetune", "optim")) == {"name": "adamw", "lr": 0.1, "weight_decay": 0.5}
    plain = matrix.tree_of(cell(matrix, method="moco", rate="0.001", seed="0")).values
    assert value_at(plain, ("stages", "finetune", "optim", "lr")) == 7  # cells do not change each other


def test_a_stage_that_a_choice_takes_away_stays_away(matrix_of):
    matrix = matrix_of()
    tree = matrix.tree_of(cell(matrix, method="none", rate="quick", seed="0"))
    assert list(resolve(tree, Plugins(*plugin_requests(tree))).stages) == ["finetune"]


def test_where_a_cell_s_value_was_written(matrix_of):
    matrix = matrix_of()
    tree = matrix.tree_of(cell(matrix, method="warm", rate="quick", seed="1"))
    assert tree.place(("stages", "finetune", "optim", "lr")).endswith(
        "table.yaml:10 (rate=quick) stages.finetune.optim.lr"
    )
    assert tree.origin(("seed",)).text.endswith("table.yaml:13 (seed=1)")


def test_the_paper_s_numbers_are_scaled(matrix_of):
    paper = matrix_of().paper
    assert paper.source == "Nobody 2020, table 1" and paper.values == {("moco", "quick"): pytest.approx(0.781)}
    assert matrix_of(("  paper: ", "  # paper: ")).paper is None
    told = matrix_of(("  over: seed\n", "  over: seed\n  against: none\n"), ("0.01, values", "0.01, differences")).paper
    assert told.differences == {("moco", "quick"): pytest.approx(0.781)} and not told.values


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    moco: {}\n", "    moco:\n", ":6 matrix.method.moco: a choice is a mapping of overrides"),
        ("    moco: {}\n", "    moco: {name: x}\n", ":6 matrix.method.moco.name: 'name' is the same for all cells"),
        ("  seed:\n    0: {seed: 0}\n    1: {seed: 1}\n", "  seed: 3\n", ":11 matrix.seed: an axis is a mapping"),
        ("[quick], seed: 1", "[quik]", "unknown choice 'quik' of axis 'rate'. did you mean 'quick'?"),
        ("method: none, rate: [quick]", "metod: none", ":15 exclude[0].metod: unknown axis 'metod'. did you mean"),
        ("  - {method: none, rate: [quick], seed: 1}", "  - {seed: [0, 1]}", "every combination is excluded"),
        ("rows: method", "rows: metod", ":18 table.rows: unknown axis 'metod'. did you mean 'method'?"),
        ("over: seed", "over: rate", "axis 'rate' has more than one place in the table"),
        ("  over: seed\n", "", ":16 table: axis 'seed' of the matrix has no place in the table"),
        ("  over: seed\n", "  ovr: seed\n", ":20 table.ovr: unknown parameter 'ovr' of table. did you mean 'over'?"),
        ("finetune/auroc_macro", "auroc_macro", "metric is STAGE/METRIC, e.g. finetune/auroc_macro; found"),
        ("{moco: {quick", "{mocco: {quick", "paper.values: unknown choice 'mocco' of axis 'method'. did you mean"),
        ("quick: 78.1", "quick: high", "paper.values.moco.quick: expected a number, found 'high'"),
        ("scale: 0.01", "scal: 0.01", "paper: unknown key 'scal'. did you mean 'scale'?"),
        ("scale: 0.01, values", "scale: 0.01, differences", "paper.differences: to which row is not said. do: name it"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(matrix_of, old, new, told):
    (problem,) = problems_of(matrix_of, (old, new))
    assert "table.yaml" in problem and told in problem


def test_an_override_that_leads_nowhere_names_its_choice(matrix_of):
    matrix = matrix_of(("finetune.optim.lr: 0.1", "finetune.optm.lr: 0.1"))
    with pytest.raises(ConfigError, match=r"table.yaml:10 \(rate=quick\): unknown key 'optm'. did you mean 'optim'?"):
        matrix.tree_of(cell(matrix, method="moco", rate="quick", seed="0"))


def test_a_table_is_no_experiment_and_an_experiment_no_table(matrix_of, tmp_path):
    matrix_of()
    with pytest.raises(ConfigError, match=r"table.yaml:3 matrix: .*do: medvl table FILE"):
        read_tree(tmp_path / "table.yaml")
    tree = overridden_tree(tmp_path / "x.yaml")
    with pytest.raises(ConfigError, match=r"a table needs axes, matrix: .*do: medvl run FILE"):
        read_matrix(tree, Plugins(*plugin_requests(tree)))
