"""Opening files and reading rows."""

import bz2
import gzip
import json
import lzma
from random import Random

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import InputError
from curate.files import (
    Unreadable,
    csv_rows,
    expand,
    json_array,
    json_frames,
    json_lines,
    open_stream,
    parquet_rows,
    plain_name,
    rows,
)

# Not compressible to nothing, so that half of the compressed bytes is in the middle of the data.
TEXT = b"".join(b'{"n": %d, "square": %d}\n' % (n, n * n) for n in range(20_000))
COMPRESS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def written(tmp_path, data, name="file"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(path):
    with open_stream(path) as stream:
        return stream.read()


@pytest.mark.parametrize("kind", COMPRESS)
def test_compression_is_recognised_by_content_and_streams_in_a_row_read_as_one(kind, tmp_path):
    compress = COMPRESS[kind]
    path = written(tmp_path, compress(TEXT[:1000]) + compress(TEXT[1000:]), "no-suffix")
    assert read(path) == TEXT


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_truncated_stream_is_an_error_that_names_the_byte(kind, tmp_path):
    whole = COMPRESS[kind](TEXT)
    path = written(tmp_path, whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"file: truncated: .* breaks off at byte {len(whole) // 2}"):
        read(path)


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_damaged_stream_is_an_error_that_names_the_byte(kind, tmp_path):
    damaged = bytearray(COMPRESS[kind](TEXT))
    damaged[len(damaged) // 2] ^= 0xFF
    path = written(tmp_path, damaged)
    with pytest.raises(InputError, match=r"file: corrupt \w+ data before byte \d+"):
        read(path)


def test_a_zstd_frame_cut_between_two_blocks_is_still_an_error(tmp_path):
    # Random bytes are stored as they are, in blocks of 128 KiB behind 3 bytes of header: all that is left is valid.
    whole = zstandard.ZstdCompressor().compress(Random(0).randbytes(2**18))
    cut = zstandard.frame_header_size(whole) + 3 + 2**17
    path = written(tmp_path, whole[:cut])
    with pytest.raises(InputError, match=f"truncated: the zstd data breaks off at byte {cut}"):
        read(path)


def test_zstd_frames_with_a_window_of_two_gibibytes_open(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=True, hash_log=10, chain_log=10)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = written(tmp_path, compressor.compress(TEXT) + compressor.flush())
    with pytest.raises(zstandard.ZstdError, match="memory"):
        zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    assert read(path) == TEXT


def test_zero_padding_and_skippable_frames_hold_no_data(tmp_path):
    assert read(written(tmp_path, gzip.compress(TEXT) + bytes(512))) == TEXT
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    assert read(written(tmp_path, skippable + COMPRESS["zst"](TEXT))) == TEXT


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: cannot be opened: No such file"):
        open_stream(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        expand(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds nothing to read; expected a file ending in \.json"):
        expand(tmp_path, (".json",))


def test_expand_finds_compressed_files_in_a_stable_order(tmp_path):
    for name in ("b.json", "a/z.JSON.gz", "c.txt", ".hidden.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path, b"", name)
    assert expand(tmp_path, (".json",)) == [tmp_path / "a/z.JSON.gz", tmp_path / "b.json"]
    assert expand(tmp_path / "c.txt", (".json",)) == [tmp_path / "c.txt"]
    assert plain_name(tmp_path / "a/z.JSON.gz") == "z.JSON"


def test_a_bad_line_is_a_value_and_reading_goes_on(tmp_path):
    data = b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": }\n[2]\n{"a": NaN}\n{"a": "\xff"}\n{"a": "\\ud800"}\n{"a": 3}'
    path = written(tmp_path, data)
    assert list(json_lines(path)) == [
        (1, {"a": 1}),
        (3, Unreadable("not JSON: Expecting value at character 7")),
        (4, Unreadable("the record is list, not an object with named fields")),
        (5, {"a": None}),
        (6, Unreadable("not UTF-8 at byte 8 of the record")),
        (7, {"a": "\ufffd"}),
        (8, {"a": 3}),
    ]


def test_frames_of_lines_hold_every_value_as_text_and_the_same_rows(tmp_path):
    path = written(
        tmp_path, b'{"a": 1, "b": "x"}\n{"a": "1", "c": 5}\n{"a": true}\nno\n\n{"a": "\\udc00", "b": null}\n'
    )
    ((frame, unreadable),) = json_frames(path, ["a", "b"])
    assert frame.rows() == [(1, "1", "x"), (2, "1", None), (3, "true", None), (6, "\ufffd", None)]
    assert unreadable == [(4, Unreadable("not JSON: Expecting value at character 1"))]


def test_a_file_cut_within_its_last_line_is_truncated(tmp_path):
    path = written(tmp_path, '{"a": 1}\n{"a": "é'.encode()[:-1])
    with pytest.raises(InputError, match="truncated: line 2, the last, breaks off"):
        list(json_lines(path))
    with pytest.raises(InputError, match="truncated: line 2"):
        list(json_frames(path, ["a"]))


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text() | st.integers(-9, 9) | st.none(), max_size=3), max_size=8)
)
def test_lines_and_array_give_the_records_that_were_written(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("json")
    lines = written(folder, "\n".join(map(json.dumps, records)).encode(), "a.jsonl")
    array = written(folder, json.dumps(records, ensure_ascii=False, indent=1).encode(), "a.json")
    expected = list(enumerate(records, start=1))
    assert list(json_lines(lines)) == expected
    assert list(json_array(array)) == expected


def test_an_array_is_read_in_a_sliding_window(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.files.jsons.BLOCK", 3)
    data = '\ufeff [{"a": "é\\n]"}, {"b": NaN} ,{"c": [1, {}]}, 12, {"d": "\\ud83d\\ude00 \\ud800"}]\n'
    assert list(json_array(written(tmp_path, data.encode()))) == [
        (1, {"a": "é\n]"}),
        (2, {"b": None}),
        (3, {"c": [1, {}]}),
        (4, Unreadable("the record is int, not an object with named fields")),
        (5, {"d": "😀 \ufffd"}),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"a": 1}, {"a"', r"truncated: .*\(record 2, character 16\)"),
        (b'[{"a": 1}, {"a": 2}', "truncated: the file ends inside the array"),
        (b'[{"a": 1} {"a": 2}]', "character 11: expected ',', found '{'"),
        (b'[{"a": 1}, {"a" 2}]', r"not valid JSON: Expecting ':' delimiter \(record 2, character 17\)"),
        (b'[{"a": 1}] x', "something follows the end of the array at character 12"),
    ],
)
def test_a_broken_array_names_record_and_character(data, message, tmp_path):
    with pytest.raises(InputError, match=message):
        list(json_array(written(tmp_path, data)))


def test_csv_rows_have_record_numbers_whatever_the_lines(tmp_path):
    data = b'\xef\xbb\xbfa,b\r\n1,"x\r\ny"\r\n\r\n3\r\n\xff,4\r\n5,\x00\r\n6,%b\r\n' % (b"z" * 200_000)
    assert list(csv_rows(written(tmp_path, data))) == [
        (1, {"a": "1", "b": "x\r\ny"}),
        (2, Unreadable("1 fields where the header has 2")),
        (3, Unreadable("not UTF-8")),
        (4, {"a": "5", "b": "\0"}),
        (5, {"a": "6", "b": "z" * 200_000}),
    ]


def test_a_csv_file_cut_inside_quotes_is_truncated(tmp_path):
    with pytest.raises(InputError, match=r"truncated: row 2, line 3, never closes its quotes"):
        list(csv_rows(written(tmp_path, b'a,b\n1,2\n3,"x\ny\n')))


def test_a_csv_header_is_required_and_unambiguous(tmp_path):
    with pytest.raises(InputError, match="no header row"):
        list(csv_rows(written(tmp_path, b"")))
    with pytest.raises(InputError, match="names 'a' more than once"):
        list(csv_rows(written(tmp_path, b"a,a\n")))


def test_rows_reads_every_form_by_its_content(tmp_path):
    expected = [(1, {"a": "x"}), (2, {"a": "y"})]
    lines, array = b'{"a": "x"}\n{"a": "y"}\n', b'[{"a": "x"}, {"a": "y"}]'
    pl.DataFrame({"a": ["x", "y"]}).write_parquet(tmp_path / "a.parquet")
    paths = [
        written(tmp_path, lines, "a.jsonl"),
        written(tmp_path, lines, "lines.json"),
        written(tmp_path, COMPRESS["zst"](lines), "RC_2011-03"),
        written(tmp_path, array, "a.json"),
        written(tmp_path, gzip.compress(array), "array.jsonl.gz"),
        written(tmp_path, b'{"a":\n"x"}\n{"a":\n"y"}', "pretty.json"),
        written(tmp_path, b"a\nx\ny\n", "a.csv"),
        written(tmp_path, bz2.compress(b"a\tb\nx\t\ny\t\n"), "a.tsv.bz2"),
        tmp_path / "a.parquet",
    ]
    for path in paths:
        found = [(number, {"a": row["a"]}) for number, row in rows(path)]
        assert found == expected, path.name


def test_rows_of_an_unknown_form_are_an_error(tmp_path):
    with pytest.raises(InputError, match=r"begins with '<posts>'; expected one of \.json"):
        rows(written(tmp_path, b"<posts>"))


def test_parquet_columns_are_checked_and_a_cut_file_is_an_error(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": [1, 2], "b": ["x", None]}).write_parquet(path)
    assert list(parquet_rows(path, ["b"])) == [(1, {"b": "x"}), (2, {"b": None})]
    with pytest.raises(InputError, match="no column c; it has a, b"):
        list(parquet_rows(path, ["c"]))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="not readable as Parquet"):
        list(parquet_rows(path))


def test_the_real_month_of_reddit_reads_to_its_last_line(shared_data):
    found = list(rows(shared_data("raw/reddit/RC_2005-12.zst")))
    assert len(found) == 1075
    assert all(isinstance(row, dict) for _, row in found)
