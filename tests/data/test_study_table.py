import importlib
import multiprocessing
import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest

from medvl.data import study_table
from medvl.data.cache import cache_folder
from medvl.data.dataset import Dataset
from medvl.data.study_table import open_table, table_key
from medvl.datasets.folder.dataset import Folder
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))


class Shelf(Dataset):
    """A table in memory; counts how often it is read."""

    def __init__(self, table, mark="1"):
        self.held, self.mark, self.read = table, mark, 0

    def table(self):
        self.read += 1
        return self.held

    def read_image(self, reference):
        raise NotImplementedError

    def fingerprint(self):
        return self.mark


def cases(count=6, **columns):
    names = [str(number) for number in range(count)]
    return pa.table({"image": names, "patient": names, "study": names, "view": pa.nulls(count, pa.string()), **columns})


def test_a_table_is_read_once_and_comes_back_as_it_was():
    phantom = Phantom(patients=20)
    table = open_table(phantom)
    assert table.replace_schema_metadata(None).equals(phantom.table())
    shelf = Shelf(cases())
    for _ in range(3):
        assert open_table(shelf).num_rows == 6
    assert open_table(Shelf(cases())).num_rows == 6 and shelf.read == 1
    assert open_table(Shelf(cases(7), mark="2")).num_rows == 7


def test_columns_are_one_chunk_and_stay_on_the_disk():
    parts = [cases(3), cases(4)]
    allocated = pa.total_allocated_bytes()
    table = open_table(Shelf(pa.concat_tables(parts)))
    assert [column.num_chunks for column in table.columns] == [1] * 4
    assert table["image"].to_pylist() == ["0", "1", "2", "0", "1", "2", "3"]
    before = pa.total_allocated_bytes()
    again = open_table(Shelf(pa.concat_tables(parts)))
    assert pa.total_allocated_bytes() - before < 2000 and again.num_rows == 7
    assert allocated >= 0


def test_blank_texts_become_null():
    said = pa.array(["clear", " \n", "", None, " x ", "y"])
    assert open_table(Shelf(cases(**{"text.findings": said})))["text.findings"].to_pylist() == [
        "clear", None, None, None, " x ", "y",
    ]  # fmt: skip


def test_strings_beyond_32_bits_get_wider_offsets(monkeypatch):
    monkeypatch.setattr(study_table, "_LONGEST", 60)
    table = open_table(Shelf(cases(**{"text.findings": ["word " * 9] * 6})))
    assert (table.schema.field("text.findings").type, table.schema.field("image").type) == (
        pa.large_string(), pa.string(),
    )  # fmt: skip
    assert table["text.findings"].to_pylist() == ["word " * 9] * 6


def test_metadata_of_the_reader_is_kept():
    held = cases().replace_schema_metadata({"split": "by image"})
    table = open_table(Shelf(held))
    assert table.schema.metadata[b"split"] == b"by image"
    assert len(table_key(table)) == 16


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"no arrow" * 99]
)
def test_a_damaged_file_is_written_anew(damage):
    open_table(Shelf(cases()))
    (file,) = cache_folder("tables").rglob("*.arrow")
    file.write_bytes(damage(file.read_bytes()))
    assert open_table(Shelf(cases())).num_rows == 6


def test_a_table_without_patients_is_refused():
    with pytest.raises(DataError, match="Shelf: the study table has no column patient, view"):
        open_table(Shelf(cases().drop_columns(["patient", "view"])))


class Restless(Shelf):
    def fingerprint(self):
        return str(self.read)


def test_an_index_that_changes_while_it_is_read_is_refused():
    with pytest.raises(DataError, match="changed while they were read"):
        open_table(Restless(cases()))
    assert not list(cache_folder("tables").rglob("*.arrow"))


def write(path, rows):
    path.write_text("image,patient,label\n" + "".join(f"{row}.png,p{row},1\n" for row in rows))


def images_of(path, **settings):
    return open_table(Folder(path=path, **settings))["image"].to_pylist()


def test_a_changed_index_is_never_read_from_the_cache(tmp_path):
    path = tmp_path / "index.csv"
    write(path, "abc")
    assert images_of(path) == ["a.png", "b.png", "c.png"]
    times = path.stat()
    write(path, "abd")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time: its change of state tells
    assert images_of(path) == ["a.png", "b.png", "d.png"]
    other = tmp_path / "other.csv"
    path.rename(other)
    write(path, "xyz")
    assert images_of(path) == ["x.png", "y.png", "z.png"] and images_of(other) == ["a.png", "b.png", "d.png"]


def test_settings_name_another_table(tmp_path):
    path = tmp_path / "index.csv"
    write(path, "abc")
    plain = Folder(path=path).table_fingerprint()
    assert plain == Folder(path=path).table_fingerprint()
    assert plain != Folder(path=path, label_columns=("label",)).table_fingerprint()


READER = """
from tests.data.test_study_table import Shelf, cases


class Reader(Shelf):
    def table(self):
        return cases(COUNT)
"""


def test_a_reader_whose_code_has_changed_reads_anew(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for count in (3, 4):
        (tmp_path / "changing_reader.py").write_text(READER.replace("COUNT", str(count)))
        sys.modules.pop("changing_reader", None)
        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        assert open_table(importlib.import_module("changing_reader").Reader(cases())).num_rows == count
    sys.modules.pop("changing_reader", None)


def _open_shelf(path, results):
    results.put((open_table(Folder(path=path)).num_rows, os.getpid()))


def test_processes_that_start_together_share_one_file(tmp_path):
    path = tmp_path / "index.csv"
    write(path, "abcdefgh")
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_open_shelf, args=(path, results)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60)[0] for _ in processes] == [8] * 4
    for process in processes:
        process.join(60)
    assert len(list(cache_folder("tables").rglob("*.arrow"))) == 1


def test_rows_are_taken_without_reading_the_rest():
    count = 200_000
    table = open_table(Shelf(cases(count)))
    before = pa.total_allocated_bytes()
    taken = table.take(pa.array(np.arange(0, count, 1000)))
    assert taken["image"].to_pylist() == [str(number) for number in range(0, count, 1000)]
    assert pa.total_allocated_bytes() - before < 50_000
