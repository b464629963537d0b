from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from torch import nn

from medvl.config.schema import Mismatch, Slot, convert, handed_to, parameters_of, spell

HERE = Path("/data")


class Component:
    def __init__(
        self, model, data, *, lr: float, name: str | None = None, loss: Annotated[nn.Module, Slot("loss")] = "bce"
    ) -> None: ...


def function(parameters, *, momentum: float = 0.9, untyped=3): ...


class Without(nn.Module):
    pass


def test_the_signature_is_the_schema():
    parameters = parameters_of(Component)
    assert list(parameters) == ["lr", "name", "loss"]
    assert parameters["lr"].required
    assert not parameters["name"].required
    assert parameters["name"].optional
    assert not parameters["loss"].optional
    assert parameters["loss"].slot == Slot("loss")
    assert parameters["lr"].slot is None
    assert handed_to(Component) == ("model", "data")


def test_functions_and_classes_without_a_constructor():
    assert list(parameters_of(function)) == ["momentum", "untyped"]
    assert parameters_of(function)["untyped"].annotation is Any
    assert handed_to(function) == ("parameters",)
    assert parameters_of(Without) == {}
    assert handed_to(Without) == ()
    assert parameters_of(type("Bare", (), {})) == {}


def test_mappings_of_components():
    def total(*, parts: Annotated[dict[str, nn.Module], Slot("objective")]): ...

    assert parameters_of(total)["parts"].holds_many


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (1e-4, float, 1e-4),
        (True, bool, True),
        ("a", str, "a"),
        ("./a", str, "/data/a"),
        ("a/b.csv", Path, Path("/data/a/b.csv")),
        ("/other/b.csv", Path, Path("/other/b.csv")),
        (None, int | None, None),
        (3, int | None, 3),
        ("none", Literal["none", "all"], "none"),
        (2, Literal[1, 2], 2),
        (3, int | str, 3),
        ("x", int | str, "x"),
        ([1, 2], list[float], [1.0, 2.0]),
        ([1, 2], tuple[int, int], (1, 2)),
        ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
        ([], list[int], []),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        (["x.csv"], list[Path], [Path("/data/x.csv")]),
        (object, Any, object),
        (4, Annotated[int, "metres"], 4),
    ],
)
def test_values_of_the_right_type(value, annotation, expected):
    made = convert(value, annotation, HERE)
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation", "words"),
    [
        ("x", int, "expected int"),
        (True, int, "expected int"),
        (True, float, "expected float"),
        (1.0, int, "expected int"),
        (None, int, "expected int"),
        (1, bool, "expected true or false"),
        ("true", bool, "expected true or false"),
        (3, str, "expected text"),
        (3, Path, "expected path"),
        ("nine", Literal["none", "all"], "expected one of none, all"),
        (True, Literal[1, 2], "expected one of 1, 2"),
        ("x", int | None, "expected int or none"),
        ("x", list[int], "expected list of int"),
        (["x"], list[int], "expected int"),
        ([1], tuple[int, int], "expected 2 values, list of int"),
        ([1], dict[str, int], "expected mapping of text to int"),
        ({"a": "x"}, dict[str, int], "expected int"),
        ({"a": 1}, str, "expected text"),
    ],
)
def test_values_of_the_wrong_type_say_what_was_expected(value, annotation, words):
    with pytest.raises(Mismatch) as caught:
        convert(value, annotation, HERE)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (None, "none"),
        (Any, "anything"),
        (Annotated[nn.Module, Slot("loss")], "a loss (name, or mapping with name)"),
        (tuple[int, str], "list of int or text"),
        (list, "list"),
        (dict[str, Any], "mapping of text to anything"),
        (Literal["a", "b"] | None, "one of a, b or none"),
        (nn.Module, "Module"),
    ],
)
def test_types_are_spelt_for_readers(annotation, words):
    assert spell(annotation) == words
