"""The README can be read by a biologist:
short, in short sentences, with its few words explained, and a way to every other page."""

from __future__ import annotations

import re

import pytest

from tests.documents import DOCS, README, Page

MOST_WORDS = 1400
LONGEST_SENTENCE = 25
GLOSSARY = {"round", "batch", "budget", "dice", "pseudo-label", "held-out"}


def test_it_has_at_most_1400_words() -> None:
    """As `wc -w` counts them: everything between white space, commands, tables and links too."""
    assert len(README.text.split()) <= MOST_WORDS


@pytest.mark.parametrize("sentence", README.sentences)
def test_no_sentence_is_long(sentence: str) -> None:
    """Words between white space, those of `code` in the sentence too.
    Blocks, tables and headings are no sentences."""
    words = sentence.split()
    assert len(words) <= LONGEST_SENTENCE, f"{len(words)} words: {sentence}"


def test_its_sentences_are_found() -> None:
    assert len(README.sentences) > 50


def test_the_six_words_are_explained() -> None:
    assert set(re.findall(r"^- \*\*([\w-]+)\*\*: \S", README.text, re.MULTILINE)) == GLOSSARY


def test_whether_it_pays_is_a_table_of_three_sets() -> None:
    section = README.text.split("## Does it pay?")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines[2:]) == 3


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_it_links_every_page_once(page: Page) -> None:
    """And says behind the link what the page answers."""
    rows = re.findall(rf"^\| \[[^\]]+\]\({re.escape(page.name)}\) \| (.+) \|$", README.text, re.MULTILINE)
    assert [bool(row.strip()) for row in rows] == [True]
    assert sum(link.split("#")[0] == page.name for link in README.links) == 1
