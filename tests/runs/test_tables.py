"""Tables on screen and in files."""

import csv
import io

from medvl.runs.tables import Table, spell_bytes

TABLE = Table(
    "test [phantom]",
    ["finding", "AUROC"],
    [["macro", "0.812 (0.78-0.84)"], ["[red]Edema | fluid", "–"], ["x" * 120, "0.5"]],
    ["Edema: no positive case, undefined"],
)


def test_shown_whole_and_without_markup():
    stream = io.StringIO()
    TABLE.show(stream)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("test [phantom]")
    (macro,) = [line for line in lines if "macro" in line]
    assert macro.split() == ["macro", "0.812", "(0.78-0.84)"]
    assert any("[red]Edema | fluid" in line for line in lines) and any("x" * 120 in line for line in lines)
    assert "Edema: no positive case, undefined" in lines[-1]
    assert "\x1b" not in stream.getvalue()


def test_written_as_markdown_and_csv(tmp_path):
    TABLE.write(tmp_path, "test")
    lines = (tmp_path / "test.md").read_text().splitlines()
    assert lines[0] == "### test [phantom]"
    assert lines[2:6] == [
        "| finding | AUROC |",
        "| :--- | ---: |",
        "| macro | 0.812 (0.78-0.84) |",
        "| [red]Edema \\| fluid | – |",
    ]
    assert lines[-1] == "- Edema: no positive case, undefined"
    with open(tmp_path / "test.csv", newline="") as file:
        assert list(csv.reader(file)) == [list(TABLE.columns), *TABLE.rows]


def test_bytes_are_spelled_for_people():
    assert [spell_bytes(n) for n in (640_000, 1_500_000, 19_240_000_000, 2 * 10**12)] == [
        "640 kB", "1.5 MB", "19.2 GB", "2.0 TB"
    ]  # fmt: skip


def test_written_as_latex_and_html(tmp_path):
    table = Table("100 % of {x}_y", ["method", "a & b"], [["<clip>", "0.5 ± 0.1"], ["~", "–"]], ["p < 0.05 \\ done"])
    table.write(tmp_path, "test", ("tex", "html"))
    tex = (tmp_path / "test.tex").read_text()
    assert r"\caption{100 \% of \{x\}\_y}" in tex and r"\begin{tabular}{lr}" in tex
    assert "method & a \\& b \\\\\n\\midrule\n$<$clip$>$ & 0.5 $\\pm$ 0.1 \\\\\n\\textasciitilde{} & -- \\\\" in tex
    assert r"\footnotesize p $<$ 0.05 \textbackslash{} done" in tex
    page = (tmp_path / "test.html").read_text()
    assert "<th>&lt;clip&gt;</th><td>0.5 ± 0.1</td>" in page and "<th>a &amp; b</th>" in page
    assert not (tmp_path / "test.md").exists()
