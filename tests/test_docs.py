"""What README and docs say is so:
links lead somewhere, commands are understood or run, every setting stands there, messages are real."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from backend.cli import app as service
from backend.project_settings import DEFAULT_STRATEGY, ProjectSettings
from backend.settings import Settings
from model.cli import app, rank
from model.network.recipe import Recipe
from model.options import options_of
from model.strategies import describe_default, strategies, strategy_options
from tests.documents import PAGES, README, ROOT, Page, page, seconds_of_training

OTHER_PROGRAMS = (
    "export ",
    "make ",
    "docker ",
    "cp ",
    "mkdir ",
    "git pull",
    "gunzip ",
    "curl ",
    "PYTHONPATH=",
)
"""How the other commands begin. Those with `docker compose` and the backup are tested in tests/deployment."""
FOREIGN_MESSAGES = {"URL resolves to a reserved network address", "required variable ... is missing a value"}
"""Of Label Studio and of docker compose."""


def program(command: str, package: str) -> str | None:
    """What follows `python -m package` in a command line; None in other lines."""
    found = re.search(rf"python -m {package} (.*)", command)
    return found[1] if found else None


ALL_COMMANDS = [command for each in PAGES for command in (*each.commands, *each.mentioned_commands)]
OF_SERVICE = sorted({given for command in ALL_COMMANDS if (given := program(command, "backend"))})
OF_SCIENCE = sorted({given for command in ALL_COMMANDS if (given := program(command, "model"))})
RUN = sorted(
    {
        given
        for name in ("README.md", "without-label-studio.md")
        for command in page(name).commands
        if (given := program(command, "model"))
    }
)


@pytest.mark.parametrize("each", PAGES, ids=lambda each: each.name)
def test_every_link_leads_to_a_file_and_a_heading(each: Page) -> None:
    for link in each.links:
        name, _, anchor = link.partition("#")
        target = (each.path.parent / name).resolve() if name else each.path
        assert target.exists(), f"{each.name}: {link}"
        if anchor:
            assert anchor in Page(target).anchors, f"{each.name}: {link}"


@pytest.mark.parametrize("each", PAGES, ids=lambda each: each.name)
def test_every_page_begins_with_a_heading(each: Page) -> None:
    assert each.text.startswith("# ")


@pytest.mark.parametrize("each", [each for each in PAGES if each != README], ids=lambda each: each.name)
def test_every_page_begins_with_the_questions_that_it_answers(each: Page) -> None:
    assert "?" in each.paragraphs[0]


def test_code_and_tests_that_pages_name_exist() -> None:
    """`model/network/unet.py`, `model/similarity/completion.py:
    complete`, and the last column of reliability.md."""
    for each in PAGES:
        text = each.prose if each != page("reliability.md") else ""
        for path, name in re.findall(r"`((?:model|backend|tests)/[\w/.]+)(?:: (\w+))?`", text):
            assert (ROOT / path).exists(), f"{each.name}: {path}"
            assert not name or f"def {name}(" in (ROOT / path).read_text(), f"{each.name}: {path}: {name}"
    for row in re.findall(r"^\|.*\| (`.*) \|$", page("reliability.md").text, re.MULTILINE):
        folder = ""
        for test in re.findall(r"`(.*?)`", row):
            folder = test.rpartition("/")[0] or folder
            assert (ROOT / "tests" / folder / f"{test.rpartition('/')[2]}.py").exists(), test


@pytest.mark.parametrize(
    ("app", "given"),
    [*((service, given) for given in OF_SERVICE), *((app.app, given) for given in OF_SCIENCE)],
    ids=[*OF_SERVICE, *OF_SCIENCE],
)
def test_every_command_is_understood(app: typer.Typer, given: str) -> None:
    """Names, options and the kinds of their values, by the command line itself; nothing is run."""
    name, *arguments = shlex.split(given)
    command = {
        each.name or each.callback.__name__: each for each in app.registered_commands if each.callback
    }[name]
    if arguments:  # a command that is only mentioned has none
        alone = typer.Typer(add_completion=False)
        alone.registered_commands.append(command)
        typer.main.get_command(alone).make_context(name, arguments)


def test_every_other_command_is_of_a_known_program() -> None:
    others = [command for each in PAGES for command in each.commands if "python -" not in command]
    assert [command for command in others if not command.startswith(OTHER_PROGRAMS)] == []


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {command.split()[1] for command in ALL_COMMANDS if command.startswith("make ")}
    assert {"demo", "test"} <= {
        command.split()[1] for command in README.commands if command.startswith("make ")
    }
    assert all(re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE) for target in targets)


def test_python_in_the_pages_finds_what_it_imports() -> None:
    """Its trainings take minutes, so that it is not run here."""
    texts = [
        text
        for each in PAGES
        for block in each.blocks("sh")
        for _, text in re.findall(r"<<'(\w+)'\n(.*?)^\1$", block, re.DOTALL | re.MULTILINE)
    ]
    assert texts
    for text in texts:
        imports = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module([*imports], []), "page", "exec"), {})


@pytest.fixture
def folder(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder: images/ and masks/ partly labelled, data/ fully."""
    source = shared_data / "usiigaci_t98g"
    names = sorted(path.name for path in (source / "images").iterdir())[:16]
    for target, some in (
        ("images", names[:9]),
        ("masks", names[:3]),
        ("data/images", names),
        ("data/masks", names),
    ):
        (tmp_path / target).mkdir(parents=True)
        for name in some:
            shutil.copy(source / Path(target).name / name, tmp_path / target)
    (tmp_path / "data/split.json").write_text(json.dumps({"pool": names[:13], "test": names[13:]}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rank, "CACHE", tmp_path / "cache")
    return tmp_path


@pytest.mark.parametrize("given", RUN)
def test_commands_of_the_science_run_as_written(folder: Path, given: str) -> None:
    """With a recipe of seconds added, and in one process where the user has several."""
    arguments = shlex.split(given.replace("--jobs 2", ""))
    if arguments[0] == "converge":
        arguments[arguments.index("--steps") + 1] = "2,4"
    if arguments[0] == "experiment":
        arguments[arguments.index("--experiments") + 1] = "1"
    done = CliRunner().invoke(app.app, [*arguments, *seconds_of_training(arguments[0])])
    assert done.exit_code == 0, done.output
    assert (folder / arguments[arguments.index("--out") + 1]).exists()


def test_the_results_are_read_in_minutes() -> None:
    """How they came about stands on pages of its own."""
    assert len(page("experiments.md").text.split()) <= 1200


def test_the_default_is_what_the_recorded_experiments_decide_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command that the page gives, on all that is kept of them."""
    monkeypatch.chdir(ROOT)
    given = [program(command, "model") or "" for command in page("experiments.md").commands]
    (compare,) = [command for command in given if command.startswith("compare ")]
    done = CliRunner().invoke(app.app, shlex.split(compare))
    assert f"**{DEFAULT_STRATEGY}** becomes the default" in done.output


def test_every_setting_is_listed() -> None:
    text = page("settings.md").text
    for name in Settings.model_fields:
        assert f"| `{name.upper()}` |" in text, name
    for name in ProjectSettings.known_keys():
        assert f"| `{name}` |" in text, name
    for name, strategy in strategies().items():
        assert f"| `{name}` | {strategy.asks_for} |" in text, name


def test_the_defaults_are_those_of_the_code() -> None:
    text = page("settings.md").text
    for name, (option, takers) in strategy_options().items():
        listed = ", ".join(f"`{taker}`" for taker in takers)
        default = describe_default(option, takers)
        assert f"| `{name}` | {listed} | `{default}` | {option.help} |" in text, name
    for name, option in options_of(Recipe).items():
        given, meaning = re.findall(rf"^\| `{name}` \| (.*?) ?\| (.*?) \|$", text, re.MULTILINE)[-1]
        assert given.strip("` ").split(",")[0] == str("" if option.default is None else option.default), name
        assert meaning == option.help
    for name, field in Settings.model_fields.items():
        (written,) = re.findall(rf"^\| `{name.upper()}` \| (.*?) ?\|", text, re.MULTILINE)
        default = field.get_default(call_default_factory=True)
        assert written.strip("`") == ("" if default in (None, {}) else str(default)), name


@cache
def _printed() -> str:
    """The words of every text in the code, in their order; variables are left out."""
    texts = [(ROOT / name).read_text() for name in ("docker-compose.yml", "Makefile", ".ci/python")]
    programs = [path for name in ("backend", "model") for path in (ROOT / name).rglob("*.py")]
    helpers = [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith("test_")]
    for path in (*programs, *helpers):  # the set-up of the tests has messages, too
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(" ".join(re.findall(r"\w+|\0", text)) for text in texts)


QUOTES = [
    quote
    for row in re.findall(r"^\| (`.*?) \| ", page("troubleshooting.md").text, re.MULTILINE)
    for quote in re.findall("`(.*?)`", row)
]


@pytest.mark.parametrize("quote", [quote for quote in QUOTES if quote not in FOREIGN_MESSAGES])
def test_every_message_is_one_that_the_code_prints(quote: str) -> None:
    """Its longest stretch between names, addresses and numbers stands so in the code, each three words in a
    row."""
    parts = [
        re.findall(r"\w+", part)
        for part in re.split(r"\S+://\S+|\S+\.npz|\.\.\.|\bv?\d+|'[^']*'|[:,;]", quote)
    ]
    longest = max(parts, key=len)
    length = min(3, len(longest))
    runs = [" ".join(longest[start : start + length]) for start in range(len(longest) - length + 1)]
    assert all(run in _printed() for run in runs), [run for run in runs if run not in _printed()]


@pytest.mark.parametrize("each", PAGES, ids=lambda each: each.name)
def test_sentences_can_be_read_once(each: Page) -> None:
    """At most 30 words; the README's are shorter still."""
    assert [sentence for sentence in each.sentences if len(sentence.split()) > 30] == []
