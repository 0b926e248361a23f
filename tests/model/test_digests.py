"""Short names for the same thing."""

from pathlib import Path

from model.digests import digest, digest_of_files


def test_other_parts_have_another_digest() -> None:
    assert len({digest("a", "b"), digest("ab"), digest("b", "a"), digest(b"a", "b"), digest(["a", "b"])}) == 5
    assert digest({"x": 1, "y": 2}) == digest({"y": 2, "x": 1})


def test_files_are_told_by_name_and_size_not_by_place(tmp_path: Path) -> None:
    for folder, content in (("a", "12"), ("b", "12"), ("c", "123")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_text(content)
    assert digest_of_files(tmp_path / "a") == digest_of_files(tmp_path / "b") != digest_of_files(tmp_path / "c")
