"""README and docs as their tests read them:
blocks, commands, sentences, links, and the anchors of headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = ROOT / "docs" / "experiments"
"""Its folders hold reports that `python -m model experiment` writes;
what people write there lies beside them."""

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_MARKED = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path below the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text()

    @cached_property
    def prose(self) -> str:
        """Without fenced blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """The contents of the fenced blocks of a language, without the indentation of lists."""
        return [
            re.sub(rf"^{indent}", "", content, flags=re.MULTILINE)
            for indent, found, content in _FENCE.findall(self.text)
            if found == language
        ]

    @property
    def commands(self) -> list[str]:
        """The lines of its shell blocks, a continued line as one;
        without what a block pipes into a program (<<)."""
        lines: list[str] = []
        for block in self.blocks("sh"):
            whole = re.sub(r"<<'(\w+)'\n.*?^\1$", "", block, flags=re.DOTALL | re.MULTILINE).replace(
                "\\\n", " "
            )
            lines += [re.sub(r"\s+", " ", line).strip() for line in whole.splitlines() if line.strip()]
        return lines

    @property
    def mentioned_commands(self) -> list[str]:
        """`python -m backend ...` in the middle of a sentence or a table, with its placeholders filled in."""
        found = [
            text
            for text in _MARKED.findall(self.prose)
            if re.match(r"(\S+/)?python -m (backend|model) \w", text)
        ]
        filled = [re.sub(r"\b(NUMBER|N)\b", "1", re.sub(r"[\[\]]", "", text)) for text in found]
        return [
            re.sub(r"\bVERSION\b", "v1", re.sub(r"--strategy NAME", "--strategy random", text))
            for text in filled
        ]

    @property
    def paragraphs(self) -> list[str]:
        """Paragraphs and points of lists as a reader sees them; no headings, tables, pictures or blocks."""
        lines = [line.strip() for line in _PICTURE.sub("", self.prose).splitlines()]
        kept = [line for line in lines if not line.startswith(("#", "|", "<"))]
        text = re.sub(r"^(?=(- |\d+\. ))", "\n", "\n".join(kept), flags=re.MULTILINE)
        bare = _LINK.sub(r"\1", re.sub(r"^(- |\d+\. )", "", text, flags=re.MULTILINE)).replace("*", "")
        return [" ".join(part.split()) for part in re.split(r"\n\s*\n", bare) if part.strip()]

    @property
    def sentences(self) -> list[str]:
        """The sentences of the paragraphs; a dot inside `code` or a name ends none."""
        return [
            part
            for text in self.paragraphs
            for part in re.split(r"(?<=[.!?])[\"”)]?\s+(?=[“\"(]?[A-Z0-9`])", text)
            if part
        ]

    @property
    def links(self) -> list[str]:
        """Targets of links and pictures that lie in this repository."""
        targets = [target for _, target in _LINK.findall(self.prose)] + _PICTURE.findall(self.prose)
        return [target for target in targets if not re.match(r"\w+:", target)]

    @property
    def anchors(self) -> set[str]:
        """The names by which GitHub links to its headings."""
        headings = re.findall(r"^#+ +(.*?) *$", self.prose, re.MULTILINE)
        bare = [
            re.sub(r"[^\w\- ]", "", _LINK.sub(r"\1", heading).lower()).replace(" ", "-")
            for heading in headings
        ]
        return {
            name if bare[:index].count(name) == 0 else f"{name}-{bare[:index].count(name)}"
            for index, name in enumerate(bare)
        }


README = Page(ROOT / "README.md")
DOCS = [Page(path) for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES = [README, *DOCS, *(Page(path) for path in sorted(EXPERIMENTS.glob("*.md")))]


def page(name: str) -> Page:
    """The page of that file name, such as settings.md. Raises KeyError."""
    return {each.path.name: each for each in PAGES}[name]


def seconds_of_training(subcommand: str) -> list[str]:
    """Options that make a command of the science end within seconds;
    its images and networks are tiny then."""
    of = {
        "experiment": "--steps 4 --row-steps 2 --candidates 2 --draws 1",
        "transfer": "--steps 8 --row-steps 2 --experiments 1",
    }
    if subcommand == "rank":  # by its default, which trains no U-Net
        return ["--image-size", "64"]
    return f"--image-size 64 --crop 32 --width 4 --depth 3 {of.get(subcommand, '')}".split()
