import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvl.data.report_sections import CONCLUSIONS, section_name, sections_of, split_report

REPORT = "\n \n".join(
    [
        "                                 FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)",
        " INDICATION:  ___ year old woman with cough.  Evaluate for\n pneumonia.",
        " COMPARISON:  None.",
        " FINDINGS: ",
        " The lungs are clear.  Impression: as below.",
        " No effusion.",
        " IMPRESSION:  ",
        " 1. No acute process.\n 2. Stable.",
    ]
)


def owners_sections(text):
    """A slow second reading of the owner's rules: one search at a time, names by a ladder of questions."""
    header = re.compile(r"\n ([A-Z ()/,-]+):\s")
    found, names, position = [], [], 0
    hit = header.search(text)
    if hit is None:
        found, names = [text], ["full report"]
    else:
        found, names = [text[: hit.start(1)]], ["preamble"]
        while hit is not None:
            position = hit.end()
            line_end = text.find("\n", position)
            following = header.search(text, line_end if line_end >= 0 else position)
            found.append(text[position : following.start() if following else len(text)])
            names.append(section_name(hit[1]))
            hit = following
    kept = [
        (name, body)
        for name, body in zip(names, found, strict=True)
        if name not in ("findings", "impression") or body.strip()
    ]
    if not {"findings", "impression"} & {name for name, _ in kept} and "\n \n" in kept[-1][1]:
        name, body = kept.pop()
        first, *rest = body.split("\n \n")
        kept += [(name, first), ("last_paragraph", "\n \n".join(rest))]
    return kept


def test_a_usual_report():
    found = sections_of(REPORT)
    assert found["indication"] == "___ year old woman with cough. Evaluate for pneumonia."
    assert found["comparison"] == "None."
    assert found["findings"] == "The lungs are clear. Impression: as below. No effusion."
    assert found["impression"] == found["conclusion"] == "1. No acute process. 2. Stable."
    assert found["examination"] == "CHEST (PA AND LAT)"
    assert "last_paragraph" not in found and "technique" not in found


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_line_ends_do_not_matter(ends):
    assert sections_of(REPORT.replace("\n", ends)) == sections_of(REPORT)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("IMPRESSON", "impression"), ("IMPRESSOIN", "impression"), ("FINDINDGS", "findings"), ("FINDINS", "findings"),
        ("COMPARISIONS", "comparison"), ("IDICATION", "indication"), ("NDICATION", "impression"),
        ("REASON FOR EXAM", "indication"), ("CLINICAL INFORMATION", "history"), ("PFI", "history"),
        ("CONCLUSION", "impression"), ("FINDINGS AND IMPRESSION", "impression"), ("REFERENCE EXAM", "comparison"),
        ("RECOMMENDATION(S)", "recommendations"), ("TYPE OF EXAMINATION", "examination"), ("WETREAD", "wet read"),
        # by what they contain, the impression first
        ("CORRECTED IMPRESSION", "impression"), ("RELEVANT HISTORY", "history"), ("ADDENDUM TWO", "addendum"),
        ("CHEST FINDINGS", "findings"), ("COMPARISON CHEST FILMS", "comparison"),
        # by the views that they describe
        ("PORTABLE AP CHEST RADIOGRAPH", "findings"), ("PA AND LAT", "findings"), ("FRONTAL SEMI-UPRIGHT", "findings"),
        ("AP AND LATERAL", "findings"), ("LEFT RIBS", "findings"),
        # none
        ("AP AND LAT", "ap and lat"), ("ANESTHESIA", "anesthesia"), (" TECHNIQUE ", "technique"),
    ],
)  # fmt: skip
def test_headers_mean_sections(header, name):
    assert section_name(header) == name


def test_the_last_of_a_name_counts():
    assert sections_of("\n IMPRESSION: one\n ADDENDUM: more\n IMPRESSION: two\n")["impression"] == "two"


def test_titles_without_text_are_no_findings():
    report = "\n CHEST, PA LATERAL:\n \n INDICATION: cough\n \n IMPRESSION: clear\n"
    assert sections_of(report) == {"indication": "cough", "impression": "clear", "conclusion": "clear"}
    assert sections_of("\n FINDINGS: clear\n PORTABLE CHEST:\n")["findings"] == "clear"


def test_a_history_stands_in_for_an_indication():
    assert sections_of("\n CLINICAL HISTORY: cough\n FINDINGS: clear\n")["indication"] == "cough"
    assert sections_of("\n HISTORY: cough\n INDICATION: fever\n")["indication"] == "fever"
    assert sections_of("\n HISTORY: cough\n INDICATION: \n \n FINDINGS: clear\n")["indication"] == "cough"
    assert "indication" not in sections_of("\n FINDINGS: clear\n")


@pytest.mark.parametrize(
    ("report", "conclusion"),
    [
        ("\n FINDINGS: a\n IMPRESSION: b\n FINDINGS: c\n", "b"),
        ("\n COMPARISON: a\n FINDINGS: b\n TECHNIQUE: c\n", "b"),
        ("\n COMPARISON: a\n HISTORY: cough\n \n Clear lungs.\n \n No effusion.", "Clear lungs. No effusion."),
        ("\n HISTORY: cough\n COMPARISON: old\n", "old"),
        (" Title\n \n Clear lungs.", "Clear lungs."),
        ("\n HISTORY: cough\n", None),
        ("", None),
    ],
)
def test_the_conclusion_is_where_the_owner_looks_for_it(report, conclusion):
    assert sections_of(report).get("conclusion") == conclusion


def test_what_follows_a_blank_line_leaves_the_section():
    found = sections_of("\n HISTORY: cough\n \n Clear lungs.\n")
    assert found["history"] == "cough" and found["last_paragraph"] == "Clear lungs."


PIECES = st.sampled_from(
    [
        "\n", " ", "\n \n", "\r\n", "\n IMPRESSION: ", "\n FINDINGS:\n", "\n HISTORY:", "\n CHEST, PA LATERAL:\n",
        "\n INDICATION: ", "\nIMPRESSION: ", "\n  FINDINGS: ", "\n Impression: ", "\n COMPARISON:  ", "\n TECHNIQUE:\t",
        "Clear.", "___", ":", "(AP)", "\u00e9\u2028",
    ]
)  # fmt: skip
WILD = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=20).map("".join)


@given(WILD)
def test_wild_text_is_divided_as_a_second_reading_divides_it(text):
    def said(parts):
        return [(name, body.split()) for name, body in parts if body.split()]

    assert said(split_report(text)) == said(owners_sections(text))


@given(WILD)
def test_sections_are_lines_with_text_that_the_report_holds(text):
    found = sections_of(text)
    held = " ".join(text.split())
    for body in found.values():
        assert body and body == " ".join(body.split())
        assert body in held
    if "conclusion" in found:
        assert found["conclusion"] in [found.get(name) for name in CONCLUSIONS]
