"""`medvl data verify`: what differs is found, named in a CSV, and ends with 1."""

import csv
import hashlib

import pytest

from medvl.data.miniature import mark_miniature
from tests.cli.data import ward


def state(output: str, check: str) -> str:
    """The last word of a check's line."""
    (line,) = [line for line in output.splitlines() if line.strip().startswith(check)]
    return line.split()[-1]


def problems(tmp_path):
    return [tuple(row.values()) for row in csv.DictReader((tmp_path / "cache" / "verify" / "ward.csv").open())]


@pytest.fixture
def verify(root, data):
    return lambda *more, code=0: data("verify", "ward", f"root={root}", *more, code=code)


def test_a_whole_release(verify):
    output = verify()
    for check in ("the index", "study table", "images of the release", "patients of the release", "image files"):
        assert state(output, check) == "ok", check
    assert "12 open" in output and "differs" not in output
    assert state(output, "the boxes") == "skipped"
    assert state(output, "checksums") == "skipped"


def test_a_missing_image(root, verify, tmp_path):
    (root / "images" / "0_0.png").unlink()
    output = verify("--quick", code=1)
    assert state(output, "image files") == "differs" and "11 there" in output
    assert problems(tmp_path) == [("image files", "images/0_0.png", "missing")]


def test_an_image_that_does_not_open_is_found_unless_one_is_quick(root, verify, tmp_path):
    whole = (root / "images" / "2_0.png").read_bytes()
    (root / "images" / "2_0.png").write_bytes(whole[: len(whole) // 2])
    verify("--quick")
    assert "11 open" in verify(code=1)
    ((check, reference, reason),) = problems(tmp_path)
    assert (check, reference) == ("images", "images/2_0.png") and "cannot be decoded" in reason


def test_other_counts_than_the_owners(root, verify):
    ward.write_index(root, ward.rows_of(6)[:-2])
    output = verify("--quick", code=1)
    assert state(output, "images of the release") == "differs"
    assert state(output, "images in the official test") == "differs"
    assert state(output, "images in the official train") == "ok"


def test_a_miniature_is_not_held_against_the_release(root, verify):
    ward.write_index(root, ward.rows_of(6)[:-2])
    mark_miniature(root, "ward", 5, 0)
    assert state(verify("--quick"), "counts of the release") == "skipped"


def test_what_an_experiment_expects(verify):
    output = verify("--quick", "expect={train: 6, test: 5}", code=1)
    assert (state(output, "expect: images in train"), state(output, "expect: images in test")) == ("ok", "differs")
    assert state(verify("--quick", "expect=paper", code=1), "expect: images in train") == "differs"


def test_the_owners_checksums(root, verify, tmp_path):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]
    (root / "SHA256SUMS.txt").write_text("".join(lines) + f"{'0' * 64}  LICENSE.txt\n")
    output = verify()
    assert state(output, "checksums") == "ok" and "13 equal, 1 not there" in output
    with (root / "images" / "1_0.png").open("ab") as file:
        file.write(b" ")
    assert state(verify("--quick"), "checksums of the index files") == "ok"
    assert state(verify(code=1), "checksums") == "differs"
    assert problems(tmp_path) == [("checksums", "images/1_0.png", "differs from the owner's checksum")]


def test_a_damaged_store(root, verify, data, tmp_path):
    data("prepare", "ward", f"root={root}", "--size", 16)
    assert state(verify("--quick"), "store") == "ok"
    (shard,) = (tmp_path / "cache" / "images").glob("*/shard-00000.u8")
    pixels = bytearray(shard.read_bytes())
    pixels[100] ^= 255
    shard.write_bytes(pixels)
    assert "0 of 1 shards whole" in verify(code=1)


def test_without_its_index_nothing_more_is_asked(root, verify):
    (root / "ward.csv").unlink()
    output = verify(code=1)
    assert state(output, "the index") == "differs" and "image files" not in output


def test_an_index_that_cannot_be_read(root, verify, tmp_path):
    (root / "ward.csv").write_text("image,patient\na,b\n")
    output = verify(code=1)
    assert state(output, "index files") == "differs"
    assert "unknown column 'study'" in problems(tmp_path)[0][2]
