import pyarrow as pa

from medvl.datasets.ages import ages_of_cells, sexes_of_cells


def test_ages_in_every_spelling():
    cells = {
        "57": 57, "57.0": 57, "060Y": 60, "90": 90, "0": 0, "013M": 1, "011M": 0, "014D": 0, "400D": 1, "120": 120,
        "411Y": None, "414": None, "155": None, "": None, "Y": None, "young": None, "-3": None, None: None,
    }  # fmt: skip
    ages = ages_of_cells(pa.chunked_array([pa.array(list(cells), pa.string())]))
    assert ages.type == pa.int16() and ages.to_pylist() == list(cells.values())


def test_sexes():
    cells = ["Male", "Female", "Unknown", "M", "f", "O", None]
    sexes = sexes_of_cells(pa.chunked_array([pa.array(cells)]))
    assert sexes.to_pylist() == ["M", "F", None, "M", "F", None, None]
