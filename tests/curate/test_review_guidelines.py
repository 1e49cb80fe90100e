import pytest

from curate.errors import InputError, RunError
from curate.review import guidelines


def test_a_run_without_guidelines_has_those_that_we_wrote(tmp_path):
    assert guidelines.read(tmp_path) == guidelines.DEFAULT
    assert not list(tmp_path.iterdir())


def test_written_guidelines_are_read_back_and_an_empty_text_brings_the_first_ones_back(tmp_path):
    guidelines.write(tmp_path, "# Ours\n\n", guidelines.DEFAULT)
    assert guidelines.read(tmp_path) == "# Ours\n"
    guidelines.write(tmp_path, " \n", "# Ours\n")
    assert guidelines.read(tmp_path) == guidelines.DEFAULT
    assert not list(tmp_path.iterdir())


def test_what_another_has_written_since_is_not_overwritten(tmp_path):
    guidelines.write(tmp_path, "# Theirs", guidelines.DEFAULT)
    with pytest.raises(InputError, match="someone has changed it"):
        guidelines.write(tmp_path, "# Ours", guidelines.DEFAULT)
    assert guidelines.read(tmp_path) == "# Theirs\n"


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "guidelines.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"guidelines\.md: cannot be read"):
        guidelines.read(tmp_path)


def test_who_reads_korean_has_the_first_ones_in_korean_until_somebody_writes_others(tmp_path):
    assert guidelines.read(tmp_path, "ko") == guidelines.KOREAN
    assert guidelines.KOREAN.count("\n- ") == guidelines.DEFAULT.count("\n- ")
    assert guidelines.KOREAN.count("\n## ") == guidelines.DEFAULT.count("\n## ")
    guidelines.write(tmp_path, "# 우리 지침", guidelines.KOREAN)
    assert guidelines.read(tmp_path, "en") == guidelines.read(tmp_path, "ko") == "# 우리 지침\n"


def test_the_first_ones_saved_as_they_are_are_nobodys_own(tmp_path):
    guidelines.write(tmp_path, guidelines.KOREAN.strip(), guidelines.KOREAN)
    assert guidelines.read(tmp_path) == guidelines.DEFAULT
    assert not list(tmp_path.iterdir())
