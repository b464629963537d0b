from pathlib import Path

import pytest

from medvl.config.source import Origin, Tree, parse_value, read_yaml, resolve_references, spell_path, value_at
from medvl.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text)
    return path


def test_every_value_has_its_line(tmp_path):
    tree = read_yaml(write(tmp_path, "a: 1\nb:\n  c: [10,\n      20]\n  d: {e: 3}\n"))
    lines = {spell_path(path): written[-1][1].text.rpartition(":")[2] for path, written in tree.history.items() if path}
    assert lines == {"a": "1", "b": "2", "b.c": "3", "b.c[0]": "3", "b.c[1]": "4", "b.d": "5", "b.d.e": "5"}
    assert tree.place(("b", "c", 1)).endswith("x.yaml:4 b.c[1]")
    assert tree.place(("b", "d", "not there")).endswith("x.yaml:5 b.d.not there")  # the closest that was written
    assert tree.origin(("a",)).folder == tmp_path
    assert tree.values == {"a": 1, "b": {"c": [10, 20], "d": {"e": 3}}}


def test_places_are_relative_to_where_the_user_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_yaml(write(tmp_path, "a: 1")).place(("a",)) == "x.yaml:1 a"


@pytest.mark.parametrize(("text", "value"), [("1e-4", 1e-4), ("3E5", 3e5), ("1.5", 1.5), ("12", 12), ("yes", True)])
def test_numbers_are_numbers(tmp_path, text, value):
    found = read_yaml(write(tmp_path, f"lr: {text}")).values["lr"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", r"x\.yaml:3: .*duplicate key a"),
        ("a:\n  b: 1\n  b: 2\n", r"x\.yaml:3: .*duplicate key b"),
        ("a: [1\nb: 2", r"x\.yaml:2: not valid YAML"),
        ("b: 3\na: {b: ${b}}", r"x\.yaml:2: not valid YAML: .* in quotes: '\$\{KEY\}'"),
        ("\tx: 1", r"x\.yaml:1: not valid YAML"),
        ("- 1\n- 2", "an experiment is a mapping of keys, found list"),
        ("", "found nothing"),
        ("a: &x [*x]", r"x\.yaml:1: .*recursive"),
        ("a: !!python/object:os.system x", r"x\.yaml:1: not valid YAML"),
    ],
)
def test_files_that_are_no_experiment(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words):
        read_yaml(write(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path):
    write(tmp_path, "a: 1")
    with pytest.raises(ConfigError, match=r"gone\.yaml: no such file\. YAML files there: x\.yaml"):
        read_yaml(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match=r"no such file. YAML files there: none"):
        read_yaml(tmp_path / "nowhere" / "gone.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8 text"):
        read_yaml(tmp_path / "bytes.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("true", True),
        ("null", None),
        ("[a, 2]", ["a", 2]),
        ("{name: x, k: 1}", {"name": "x", "k": 1}),
        ("plain words", "plain words"),
        ("a: b", "a: b"),
        ("[1, 2", "[1, 2"),
        ("", None),
        ("runs/x=y", "runs/x=y"),
    ],
)
def test_command_line_values_follow_the_rules_of_yaml(text, value):
    assert parse_value(text) == value


def test_references_are_filled_in_from_the_root(tmp_path):
    tree = read_yaml(write(tmp_path, "size: 64\na:\n  b: ${size}\n  c: x_${a.b}\n"))
    assert resolve_references(tree) == {"size": 64, "a": {"b": 64, "c": "x_64"}}


def test_a_reference_to_nothing_names_its_line(tmp_path):
    tree = read_yaml(write(tmp_path, "a:\n  b: [1, '${sise}']\n"))
    with pytest.raises(ConfigError, match=r"x\.yaml:2 a\.b\[1\]: .*sise"):
        resolve_references(tree)


def test_values_at_paths():
    values = {"a": [{"b": 1}]}
    assert value_at(values, ("a", 0, "b")) == 1
    assert value_at(values, ()) is values
    for path in (("x",), ("a", 3), ("a", "b"), ("a", 0, "b", "c")):
        assert value_at(values, path) is None


def test_an_origin_is_never_missing():
    assert Tree().place(("a",)) == "? a"
    assert Tree(history={(): [(None, Origin("here", Path()))]}).place(("a", 0)) == "here a[0]"
