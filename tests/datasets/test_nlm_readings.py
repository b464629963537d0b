import pytest

from medvl.datasets.tuberculosis.readings import Reading, parse_reading, read_reading


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("male 45yrs\nnormal", Reading("M", 45, "male, 45 years", "normal")),
        ("Female, 28yrs \r\n\r\nnormale\r\n", Reading("F", 28, "female, 28 years", "normale")),
        ("femal 32yrs\nPTB", Reading("F", 32, "female, 32 years", "PTB")),
        ("male 16month\nSTB", Reading("M", 1, "male, 16 months", "STB")),
        ("female 64days\nnormal", Reading("F", 0, "female, 64 days", "normal")),
        ("male 30yrs", Reading("M", 30, "male, 30 years", None)),
        (
            "Patient's Sex: F \nPatient's Age: 027Y \nnormal\n",
            Reading("F", 27, "female, 27 years", "normal"),
        ),
        (
            "Patient's Sex: M\nPatient's Age: 004M\n\nscar  in 2 places,\nmale pattern",
            Reading("M", 0, "male, 4 months", "scar in 2 places, male pattern"),
        ),
        ("Patient's Age: 050Y", Reading(None, 50, "50 years", None)),
        ("left PTB, 3 cavities\nmarked", Reading(None, None, None, "left PTB, 3 cavities marked")),
        ("", Reading()),
    ],
)
def test_every_known_form(text, reading):
    assert parse_reading(text) == reading


def test_files_in_other_encodings_and_none(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffmale 45yrs\nnormal".encode())
    assert read_reading(path).sex == "M"
    path.write_bytes("male 45yrs\npleural effusion – left".encode("cp1252"))
    assert read_reading(path).reading.startswith("pleural effusion")
    assert read_reading(tmp_path / "b.txt") == Reading()
