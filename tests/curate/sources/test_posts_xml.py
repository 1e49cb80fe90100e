import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from curate.errors import InputError
from curate.sources.stackexchange import posts_xml

ATTRIBUTES = ("Id", "PostTypeId", "ParentId", "Score", "CreationDate", "Body", "Title", "Tags", "ClosedDate")
BOM = b"\xef\xbb\xbf"
DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\r\n'


def posts(rows: bytes) -> bytes:
    return BOM + DECLARATION + b"<posts>\r\n" + rows + b"</posts>"


def read(data: bytes, attributes: tuple[str, ...] = ("Id", "Body"), block_bytes: int = 10_000) -> pl.DataFrame:
    return pl.concat(posts_xml.read_rows(io.BytesIO(data), "Posts.xml", attributes, block_bytes))


def bodies(data: bytes) -> list[str | None]:
    return read(data)["Body"].to_list()


def test_a_row_gives_its_position_and_the_attributes_asked_for() -> None:
    data = posts(b'  <row Id="7" Score="3" Body="x" />\r\n  <row Id="8" Score="4" />\r\n')
    assert read(data).to_dicts() == [
        {"position": 1, "problem": None, "Id": "7", "Body": "x"},
        {"position": 2, "problem": None, "Id": "8", "Body": None},
    ]


def test_references_are_replaced_once() -> None:
    data = posts(
        b'<row Body="&lt;p&gt;&quot;a&quot; &amp;amp;lt; b&apos;&#xA;&#10;&#xD;&#x9;&#233;&#x1F600;&lt;/p&gt;" />'
    )
    assert bodies(data) == ['<p>"a" &amp;lt; b\'\n\n\r\té😀</p>']


def test_rows_need_no_lines_of_their_own() -> None:
    data = b'<posts><row Id="1" Body="a"/><row\tId="2" Body="b"/><row Id="3"\n Body="c" /></posts>'
    assert read(data)["Body"].to_list() == ["a", "b", "c"]


def test_an_attribute_is_not_found_inside_the_value_of_another() -> None:
    data = posts(b'<row Id="1" Title="What is Body=" Body="b" /><row Id="2" Title=" Body=" Body="c" />')
    assert bodies(data) == ["b", "c"]


@pytest.mark.parametrize(
    "row",
    [
        b"<row Id='1' Body='say \"hi\"' />",
        b'<row  Id = "1"\n Body="say &quot;hi&quot;" ></row>',
        b'<!-- <row Id="9" Body="no" /> --><row Id="1" Body="say &quot;hi&quot;" />',
        b'<?note none?><row Id="1" Body="say &quot;hi&quot;" />',
        b'<![CDATA[<row Id="9" />]]><row Id="1" Body="say &quot;hi&quot;" />',
    ],
)
def test_unusual_but_legal_markup_is_read_as_lxml_reads_it(row: bytes) -> None:
    data = posts(b'<row Id="0" Body="before" />' + row + b'<row Id="2" Body="after" />')
    assert bodies(data) == ["before", 'say "hi"', "after"]
    assert read(data, block_bytes=20).to_dicts() == read(data).to_dicts()


def test_a_doctype_without_entities_and_another_encoding_are_read() -> None:
    text = '<?xml version="1.0" encoding="{}"?><!DOCTYPE posts><posts><row Id="1" Body="é" /></posts>'
    assert bodies(text.format("utf-8").encode()) == ["é"]
    assert bodies(text.format("iso-8859-1").encode("latin-1")) == ["é"]
    assert bodies(text.format("utf-16").encode("utf-16")) == ["é"]


def test_characters_that_xml_forbids_are_dropped_from_their_row() -> None:
    data = posts(b'<row Id="1" Body="a\x01b&#x1F;c&#2;d" />\r\n<row Id="2" Body="fine" />\r\n')
    assert bodies(data) == ["abcd", "fine"]


def test_a_row_that_is_not_well_formed_has_a_problem_and_the_others_are_read() -> None:
    data = posts(
        b'<row Id="1" Body="a & b" />\n<row Id="2" Body="ok" />\n<row Id="3 Body="c" />\n<row Id="4" Body="a <b> c" />\n'
        b'<row Id="5" Body="\xff" />\n<row Id="6" Body="&nbsp;" />\n<row Id="7" Body="ok" />\n'
    )
    rows = read(data)
    assert rows.filter(pl.col("problem").is_null())["Id"].to_list() == ["2", "7"]
    assert rows.height == 7
    assert rows["problem"][4] == "byte 19 of the row, 0xff, is not UTF-8"
    assert "not well-formed XML: Entity 'nbsp' not defined" in rows["problem"][5]


def test_a_row_that_names_an_attribute_twice_has_a_problem() -> None:
    rows = read(posts(b'<row Id="1" Id="2" Body="a" /><row Id="3" Body="b" />'))
    assert rows.select("Id", "Body").rows() == [(None, None), ("3", "b")]
    assert "redefined" in rows["problem"][0]


def test_a_character_cut_by_a_block_is_whole() -> None:
    data = posts(b"".join(f'<row Id="{n}" Body="{"é😀" * n}" />\r\n'.encode() for n in range(40)))
    for block_bytes in range(60, 84, 3):
        assert [body.count("😀") for body in read(data, block_bytes=block_bytes)["Body"]] == list(range(40))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\r\n", "the file is empty"),
        (b"<html><body/></html>", "the document is a <html>; expected the <posts>"),
        (b"Id,Title\n1,a\n", "not well-formed XML at line 1"),
        (b'<posts>\n<row Id="1" />\n<row Id="2', "ends at byte 33, line 3 without </posts>; it is truncated"),
        (b'<posts>\n<row Id="1" />\n', "ends at byte 23, line 3 without </posts>"),
        (b'<posts><!-- x -->\n<row Id="1" />\n', "not well-formed XML at line 3, after row 1"),
        (b'<posts>\n<row Id="1" />\n<!-- x -->\n<row Id="2" Body="<" />\n</posts>', "line 4"),
        (b'<posts><row Id="1" /></posts><posts></posts>', "Extra content"),
    ],
)
def test_what_is_not_a_whole_posts_document_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(data)


def test_entities_that_grow_are_refused() -> None:
    entities = b'<!ENTITY a0 "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)
    )
    with pytest.raises(InputError, match="amplification"):
        read(b"<!DOCTYPE posts [" + entities + b']><posts><row Id="1" Body="&a9;" /></posts>')
    with pytest.raises(InputError, match="declares XML entities"):
        read(b'<!DOCTYPE posts [<!ENTITY a "b">]><posts><row Id="1" Body="&a;" /></posts>')


def test_an_entity_of_a_local_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(InputError):
        read(f'<!DOCTYPE posts [<!ENTITY a SYSTEM "{tmp_path}/secret">]><posts><row Body="&a;" /></posts>'.encode())


def test_no_rows_are_no_rows() -> None:
    assert read(posts(b"")).height == 0
    assert read(b"<posts/>").height == 0


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))),
    st.integers(1, 200),
)
def test_any_text_comes_back_whatever_the_block_size(texts: list[str], block_bytes: int) -> None:
    root = etree.Element("posts")
    for number, text in enumerate(texts):
        etree.SubElement(root, "row", Id=str(number), Body=text, Title=text)
    data = etree.tostring(root, encoding="utf-8") if texts else b"<posts></posts>"
    rows = read(data, ("Id", "Body", "Title"), block_bytes)
    assert rows["Body"].to_list() == texts
    assert rows["Title"].to_list() == texts
    assert rows["position"].to_list() == list(range(1, len(texts) + 1))


@pytest.mark.parametrize("site", ["beer", "quantumcomputing"])
@pytest.mark.parametrize("block_bytes", [200_000, posts_xml.BLOCK_BYTES])
def test_every_value_of_a_real_site_equals_lxmls(
    shared_data: Callable[[str], Path], site: str, block_bytes: int
) -> None:
    path = shared_data(f"raw/stackexchange/{site}/Posts.xml")
    with path.open("rb") as stream:
        rows = pl.concat(posts_xml.read_rows(stream, str(path), ATTRIBUTES, block_bytes))
    values = [tuple(row.get(name) for name in ATTRIBUTES) for row in etree.parse(path).getroot()]
    assert rows.select(ATTRIBUTES).rows() == values
    assert rows["problem"].null_count() == rows.height
