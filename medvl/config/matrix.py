"""A table's matrix: axes of choices, each choice a few overrides of one experiment, each combination a cell."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from medvl.config.layout import Choices, Layout, Paper
from medvl.config.merge import ROOT_KEYS, TABLE_KEYS, key_parts, override
from medvl.config.reader import ComponentReader
from medvl.config.resolve import finish_tree
from medvl.config.schema import parameters_of
from medvl.config.source import Origin, Tree
from medvl.errors import ConfigError, unknown
from medvl.plugins import Plugins

# cells are experiments of one name, read with one set of plugins, by one command
OF_ALL_CELLS = ("medvl", "name", "extends", "plugins", "runs", "devices", "smoke", *TABLE_KEYS)


@dataclass(frozen=True)
class Cell:
    """One combination of choices: axis -> choice, in the order of the axes."""

    choices: Mapping[str, str]

    def __str__(self) -> str:
        """`method=clip, seed=0`."""
        return ", ".join(f"{axis}={choice}" for axis, choice in self.choices.items())

    def of(self, axes: Choices) -> Choices:
        """Its choices of these axes."""
        return tuple(self.choices[axis] for axis in axes)


@dataclass(frozen=True)
class Matrix:
    """What a table file says.

    Attributes:
        tree: the experiment that every cell changes, and the matrix itself; references stand as they are written.
        axes: name -> choices, in the order of the file.
        cells: all combinations that are not excluded, the last axis running fastest.
        layout: of the table.
        paper: its numbers, or None.
        quoted: rows that are shown and not run, by name.
    """

    tree: Tree
    axes: dict[str, Choices]
    cells: list[Cell]
    layout: Layout
    paper: Paper | None
    quoted: dict[str, Paper] = field(default_factory=dict)

    def each_choice_once(self) -> Matrix:
        """As few of the cells as hold every choice of every axis: what a table that is tiny anyway needs to show."""
        seen: set[tuple[str, str]] = set()
        kept = []
        for cell in self.cells:
            if not cell.choices.items() <= seen:
                kept.append(cell)
                seen |= cell.choices.items()
        return replace(self, cells=kept)

    def tree_of(self, cell: Cell) -> Tree:
        """The cell's experiment: the choices' overrides in the order of the axes, then what every experiment gets.

        A stage that a choice takes away (`STAGE: null`) stays away, whatever later axes say of its parts.

        Raises:
            ConfigError: an override that leads nowhere.
        """
        tree = self.tree.copy()
        matrix = tree.values["matrix"]
        for key in TABLE_KEYS:
            tree.values.pop(key, None)
        for axis, choice in cell.choices.items():
            for key, value in _texts(_texts(matrix[axis])[choice]).items():
                if not _of_absent_stage(tree, key):
                    written = self.tree.origin(("matrix", axis, choice, key))
                    origin = Origin(f"{written.text} ({axis}={choice})", written.folder)
                    override(tree, key, copy.deepcopy(value), origin)
        return finish_tree(tree)


def read_matrix(tree: Tree, plugins: Plugins) -> Matrix:
    """What a table file says, checked as far as that goes without its cells.

    Raises:
        ConfigError: all problems at once, each with file, line and key.
    """
    return _MatrixReader(tree, plugins).matrix()


class _MatrixReader(ComponentReader):
    def matrix(self) -> Matrix:
        if "matrix" not in self.tree.values:
            raise ConfigError(
                f"{self.tree.place(('matrix',))}: a table needs axes, matrix: {{AXIS: {{CHOICE: {{KEY: VALUE}}}}}}. "
                "a file without is one experiment. do: medvl run FILE"
            )
        axes = self._axes(self.tree.values["matrix"])
        if self.problems:
            raise ConfigError(self.problems)
        cells = [Cell(dict(zip(axes, chosen, strict=True))) for chosen in product(*axes.values())]
        cells = self._without_excluded(cells, axes)
        layout, paper, quoted = self._layout(axes)
        if not cells:
            self.problem(("exclude",), "every combination is excluded")
        if self.problems:
            raise ConfigError(self.problems)
        assert layout is not None  # else there was a problem
        return Matrix(self.tree, axes, cells, layout, paper, quoted)

    def _axes(self, values: Any) -> dict[str, Choices]:
        path = ("matrix",)
        if not isinstance(values, dict) or not values:
            self.problem(path, f"expected a mapping of axes, {{AXIS: {{CHOICE: {{KEY: VALUE}}}}}}; found {values!r}")
            return {}
        for axis, choices in values.items():
            here = (*path, str(axis))
            if not isinstance(choices, dict) or not choices:
                self.problem(here, f"an axis is a mapping of choices, {{CHOICE: {{KEY: VALUE}}}}; found {choices!r}")
                continue
            for choice, overrides in choices.items():
                self._choice((*here, str(choice)), overrides)
        return {str(axis): tuple(map(str, choices)) for axis, choices in values.items() if isinstance(choices, dict)}

    def _choice(self, path: tuple[str, ...], overrides: Any) -> None:
        if not isinstance(overrides, dict):
            found = f"found {overrides!r}; {{}} changes nothing"
            self.problem(path, f"a choice is a mapping of overrides as on the command line, {{KEY: VALUE}}; {found}")
            return
        for key in map(str, overrides):
            if key_parts(key)[0] in OF_ALL_CELLS:
                self.problem((*path, key), f"'{key}' is the same for all cells; set it outside the matrix")

    def _without_excluded(self, cells: list[Cell], axes: dict[str, Choices]) -> list[Cell]:
        rules = self.tree.values.get("exclude") or []
        if not isinstance(rules, list):
            self.problem(("exclude",), f"expected a list of combinations, [{{AXIS: CHOICE}}]; found {rules!r}")
            return cells
        excluded: set[str] = set()
        for index, rule in enumerate(rules):
            known = self._excluded_choices(("exclude", index), rule, axes)
            if known:
                excluded |= {str(cell) for cell in cells if all(cell.choices[a] in known[a] for a in known)}
        return [cell for cell in cells if str(cell) not in excluded]

    def _excluded_choices(
        self, path: tuple[str | int, ...], rule: Any, axes: dict[str, Choices]
    ) -> dict[str, list[str]]:
        """Axis -> choices of one rule; empty where it is wrong."""
        before = len(self.problems)
        if not isinstance(rule, dict) or not rule:
            self.problem(path, f"expected a combination, {{AXIS: CHOICE}} or {{AXIS: [CHOICE, ...]}}; found {rule!r}")
            return {}
        found = {
            str(a): [str(c) for c in (chosen if isinstance(chosen, list) else [chosen])] for a, chosen in rule.items()
        }
        for axis, choices in found.items():
            if axis not in axes:
                self.problem((*path, axis), unknown("axis", axis, axes))
                continue
            for choice in choices:
                if choice not in axes[axis]:
                    self.problem((*path, axis), unknown("choice", choice, axes[axis], of=f"axis '{axis}'"))
        return found if len(self.problems) == before else {}

    def _layout(self, axes: dict[str, Choices]) -> tuple[Layout | None, Paper | None, dict[str, Paper]]:
        path, values = ("table",), self.tree.values.get("table")
        if not isinstance(values, dict):
            known = ", ".join(parameters_of(Layout))
            self.problem(path, f"a matrix needs a table, a mapping with some of {known}; found {values!r}")
            return None, None, {}
        given = self.parameters(parameters_of(Layout), values, path, "table")
        if given is None:
            return None, None, {}
        try:
            layout = Layout(**given)
            self._check_places(layout, axes)
            if self.problems:
                return layout, None, {}
            return layout, layout.paper(axes), layout.quoted(axes)
        except ConfigError as error:
            for problem in error.problems:
                self.problem(path, problem)
            return None, None, {}

    def _check_places(self, layout: Layout, axes: dict[str, Choices]) -> None:
        """Every axis is rows, columns, averaged over or searched, and nothing else is."""
        before, placed = len(self.problems), set[str]()
        for key in ("rows", "columns", "over", "search"):
            for axis in getattr(layout, key):
                if axis not in axes:
                    self.problem(("table", key), unknown("axis", axis, axes))
                elif axis in placed:
                    self.problem(("table", key), f"axis '{axis}' has more than one place in the table")
                placed.add(axis)
        first = layout.rows[0]
        if layout.against is not None and layout.against not in axes.get(first, (layout.against,)):
            known = unknown("choice", layout.against, axes[first], of=f"axis '{first}'")
            self.problem(("table", "against"), known)
        missing = [axis for axis in axes if axis not in placed]
        if missing and len(self.problems) == before:
            where = "name it in rows, columns, over or search"
            self.problem(("table",), f"axis '{missing[0]}' of the matrix has no place in the table. {where}")


def _texts(values: Mapping[Any, Any]) -> dict[str, Any]:
    """The same with texts for keys: YAML reads the choice `0` as a number."""
    return {str(key): value for key, value in values.items()}


def _of_absent_stage(tree: Tree, key: str) -> bool:
    """True for a key inside a stage that is there by name and has been taken away."""
    stages = tree.values.get("stages")
    parts = [part for part in key_parts(key) if part != "stages"]
    if not isinstance(stages, dict) or len(parts) < 2 or parts[0] in ROOT_KEYS:
        return False
    return parts[0] in stages and stages[parts[0]] is None
