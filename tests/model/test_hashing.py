"""Short names for the same thing."""

from pathlib import Path

from model.hashing import digest, digest_of_files


def test_other_parts_have_another_digest() -> None:
    assert len({digest("a", "b"), digest("ab"), digest("b", "a"), digest(b"a", "b"), digest(["a", "b"])}) == 5
    assert digest({"x": 1, "y": 2}) == digest({"y": 2, "x": 1})


def test_files_are_told_by_name_and_bytes_not_by_place(tmp_path: Path) -> None:
    for folder, name, content in (("a", "x", "12"), ("b", "x", "12"), ("c", "x", "21"), ("d", "y", "12")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    a, b, c, d = (digest_of_files((tmp_path / folder).iterdir()) for folder in "abcd")
    assert a == b
    assert len({a, c, d}) == 3
    (tmp_path / "a" / "x").write_text("21")
    assert digest_of_files((tmp_path / "a").iterdir()) == c
