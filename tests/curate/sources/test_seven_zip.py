import threading
from pathlib import Path

import py7zr
import pytest

from curate.errors import InputError
from curate.sources.stackexchange import seven_zip
from curate.sources.stackexchange.seven_zip import find_member, open_member

# Neither constant nor quick to repeat, so that the archive has some size.
TEXT = b"".join(b"%d " % (n * n * 2654435761 % 2**32) for n in range(60_000))


def archive(path: Path, **members: bytes) -> Path:
    with py7zr.SevenZipFile(path, "w") as written:
        for name, data in members.items():
            written.writestr(data, name.replace("_", "."))
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return archive(tmp_path / "beer.7z", Badges_xml=b"badges" * 100, Posts_xml=TEXT, Users_xml=b"users")


def test_a_member_is_read_in_any_sizes(site: Path) -> None:
    with open_member(site, "Posts.xml") as stream:
        parts = [stream.read(1), stream.read(7), stream.read(100_000)]
        while parts[-1]:
            parts.append(stream.read(99_999))
        assert stream.read(10) == b""
    assert b"".join(parts) == TEXT
    assert [len(part) for part in parts[:3]] == [1, 7, 100_000]


def test_the_size_of_a_member_is_known_before_it_is_read(site: Path) -> None:
    assert find_member(site, "posts.xml") == seven_zip.Member("Posts.xml", len(TEXT))
    assert find_member(site, "Tags.xml") is None


def test_a_member_in_a_folder_and_an_empty_member_are_found(tmp_path: Path) -> None:
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as written:
        written.writestr(b"posts", "beer.stackexchange.com/Posts.xml")
        written.writestr(b"", "Tags.xml")
    with open_member(tmp_path / "a.7z", "Posts.xml") as stream:
        assert stream.read(100) == b"posts"
    with open_member(tmp_path / "a.7z", "Tags.xml") as stream:
        assert stream.read(100) == b""


def test_leaving_early_ends_the_thread(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seven_zip, "PIECE_BYTES", 1000)
    before = threading.active_count()
    with open_member(site, "Posts.xml") as stream:
        assert stream.read(10) == TEXT[:10]
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


@pytest.mark.parametrize("n_bytes", [0, 5, 20, 40, 10_000])
def test_a_truncated_archive_is_refused_with_its_length(site: Path, n_bytes: int) -> None:
    data = site.read_bytes()
    site.write_bytes(data[:n_bytes])
    with (
        pytest.raises(InputError, match=rf"beer\.7z: truncated: ends at byte {n_bytes} of"),
        open_member(site, "Posts.xml"),
    ):
        pass


def test_damaged_data_end_in_an_error_that_names_archive_and_byte(site: Path) -> None:
    data = bytearray(site.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    site.write_bytes(data)
    message = r"beer\.7z: (damaged before byte \d+|Posts.xml does not have the checksum)"
    with pytest.raises(InputError, match=message), open_member(site, "Posts.xml") as stream:
        stream.read(len(TEXT) + 1)


def test_a_wrong_checksum_ends_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "stored.7z"
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_COPY}]) as written:
        written.writestr(TEXT, "Posts.xml")
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="checksum"), open_member(path, "Posts.xml") as stream:
        stream.read(len(TEXT) + 1)


def test_other_files_and_archives_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.7z").write_bytes(b"PK\x03\x04 not this one at all, as it is a zip")
    with pytest.raises(InputError, match="expected a 7z archive"), open_member(tmp_path / "a.7z", "Posts.xml"):
        pass
    archive(tmp_path / "b.7z", Users_xml=b"users")
    with pytest.raises(InputError, match=r"holds no Posts\.xml"), open_member(tmp_path / "b.7z", "Posts.xml"):
        pass
    with py7zr.SevenZipFile(tmp_path / "c.7z", "w") as written:
        written.writestr(b"one", "beer/Posts.xml")
        written.writestr(b"two", "wine/Posts.xml")
    with (
        pytest.raises(InputError, match=r"holds 2 members named Posts\.xml"),
        open_member(tmp_path / "c.7z", "Posts.xml"),
    ):
        pass
    with py7zr.SevenZipFile(tmp_path / "d.7z", "w", password="secret") as written:
        written.writestr(b"one", "Posts.xml")
    with pytest.raises(InputError, match="encrypted"), open_member(tmp_path / "d.7z", "Posts.xml"):
        pass
