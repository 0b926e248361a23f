"""Settings of the environment and of a project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend import settings
from backend.errors import SettingsError
from backend.project_settings import check_encoder, parse_project_settings
from backend.settings import EMBEDDED_REDIS_FILE, Settings, masked_url, read_settings
from model import machine, strategies
from model.data.images.header import MAX_PIXELS
from model.strategies import strategy_names


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_names_are_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields' names in capitals; an empty variable counts as absent;
    JSON where a field holds several values."""
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://label-studio:8080/")
    monkeypatch.setenv("PORT", "9191")
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("RECIPE", '{"width": 8}')
    settings = read_settings()
    assert settings.label_studio_url == "http://label-studio:8080"
    assert (settings.port, settings.redis_url, settings.recipe) == (9191, None, {"width": 8})
    assert settings.own_url == "http://127.0.0.1:9191"


@pytest.mark.parametrize("name", ["LABEL_STUDIO_URL", "LABEL_STUDIO_PUBLIC_URL", "BACKEND_URL", "PUBLIC_URL"])
def test_no_address_holds_a_password(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It would stand on pages and in messages; nor does the error tell it."""
    for address in ("http://lab:hunter2@127.0.0.1:8080", "http://lab:hunter2@host:80a80", "lab:hunter2@host"):
        monkeypatch.setenv(name, address)
        with pytest.raises(SettingsError, match=name) as caught:
            read_settings()
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given", ["", "  ", "\n"])
def test_a_blank_variable_is_as_if_unset(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Whichever: files of settings keep lines that nobody has filled in. Of JSON, `null` means the same."""
    unset = read_settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), given)
    assert read_settings() == unset
    for none in ("null", " null ", '""', "{}"):
        monkeypatch.setenv("RECIPE", none)
        monkeypatch.setenv("PROJECT_DEFAULTS", none)
        assert (read_settings().recipe, read_settings().project_defaults) == ({}, {})


@pytest.mark.parametrize("given", ["paper", " paper ", '"paper"'])
def test_a_recipe_may_be_given_by_its_name(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """As all others then see it: by its settings, over which a project's own go."""
    monkeypatch.setenv("RECIPE", given)
    named = read_settings().recipe
    assert (named["encoder"], named["steps"]) == ("unet", 600)
    assert parse_project_settings('{"recipe": "paper"}').recipe == named
    assert parse_project_settings(None, {"recipe": "paper"}).recipe == named


def test_an_encoder_that_nobody_knows_is_told_before_the_work() -> None:
    """The name alone does not tell, so the network is built once; the classical one is known."""
    check_encoder({"width": 8})
    check_encoder({"encoder": "resnet18", "encoder_weights": "imagenet"})
    check_encoder({"encoder": "efficientnet-lite0"})
    for recipe, message in (
        ({"encoder": "efficientnet-lite0", "encoder_weights": "noisy"}, "comes with those of imagenet"),
        ({"encoder": "resnt18"}, "RECIPE: Encoder 'resnt18'"),
        ({"encoder_weights": "imagenet"}, "no pretrained weights"),
    ):
        with pytest.raises(SettingsError, match=message):
            check_encoder(recipe)


def test_secrets_are_masked_when_printed() -> None:
    """Neither key nor passwords, also not those inside addresses."""
    settings = read_settings(
        label_studio_api_key="KEY",
        basic_auth_user="u",
        basic_auth_pass="PASS",
        redis_url="redis://:RPASS@h:1/0",
        storage_url="s3://b",
    )
    assert settings.api_key == "KEY"
    assert settings.basic_auth == ("u", "PASS")
    for text in (str(settings), repr(settings)):
        assert not any(secret in text for secret in ("KEY", "PASS"))
        assert "redis://:****@h:1/0" in text
    assert masked_url("http://a:b@c/d") == "http://a:****@c/d"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PORT", "ninety", "PORT.*ninety"),
        (
            "LABEL_STUDIO_URL",
            "label-studio:8080",
            "LABEL_STUDIO_URL: found 'label-studio:8080', expected an address",
        ),
        ("REDIS_URL", "http://x", "REDIS_URL: .*redis://"),
        ("NIGHTLY", "every night", "NIGHTLY: .*cron time"),
        ("BASIC_AUTH_USER", "u", "BASIC_AUTH_USER and BASIC_AUTH_PASS: found only one"),
        ("RECIPE", "width=8", "RECIPE: found 'width=8', expected 'paper', or a JSON object"),
        ("RECIPE", '{"width": 8', "RECIPE: found '{\"width\": 8', expected 'paper', or a JSON object"),
        ("RECIPE", '"papr"', "RECIPE: found 'papr', expected 'paper'"),
        ("RECIPE", "8", "RECIPE: found 8, expected 'paper'"),
        ("RECIPE", '{"stepps": 8}', "RECIPE: Unknown recipe settings stepps; known are encoder"),
        ("RECIPE", '{"width": "8"}', "RECIPE: width: found '8', expected a whole number"),
        ("RECIPE", '{"learning_rate": "fast"}', "RECIPE: learning_rate: found 'fast', expected a number"),
        ("PROJECT_DEFAULTS", '{"bugdet": 8}', "PROJECT_DEFAULTS: unknown keys bugdet; known are budget"),
        (
            "PROJECT_DEFAULTS",
            '{"recipe": {"stepps": 8}}',
            "PROJECT_DEFAULTS: recipe: Unknown recipe settings stepps",
        ),
        (
            "PROJECT_DEFAULTS",
            '{"recipe": "papr"}',
            "PROJECT_DEFAULTS: recipe: found 'papr', expected 'paper'",
        ),
        ("PROJECT_DEFAULTS", "width=8", "expected JSON"),
        ("QUIET_SECONDS", "-1", "QUIET_SECONDS"),
        ("JOB_HOURS", "inf", "JOB_HOURS"),
        ("MAX_BODY_MB", "inf", "MAX_BODY_MB"),
        ("MAX_MEGAPIXELS", "nan", "MAX_MEGAPIXELS"),
        ("NIGHTLY", "0 0 2 * * *", "NIGHTLY: .*five fields"),
        ("NIGHTLY", "0 2 31 2 *", "NIGHTLY: .*that comes"),
        ("IMAGE_HOSTS", "storage.lab, http://10.0.0.5", "IMAGE_HOSTS: found 'http://10.0.0.5'"),
        ("IMAGE_HOSTS", "10.0.0.0/8", "IMAGE_HOSTS"),
        ("IMAGE_HOSTS", "[fd00::1]", "IMAGE_HOSTS"),
        ("HOST", "0.0.0.0:9090", "HOST: .*the port is PORT"),
        ("LABEL_STUDIO_URL", "http://127.0.0.1:abc", "LABEL_STUDIO_URL: found 'http://127.0.0.1:abc'"),
        ("RECIPE", '{"learning_rate": Infinity}', "RECIPE: learning_rate: found inf"),
        ("RECIPE", f'{{"width": 1{400 * "0"}}}', "RECIPE: width: found 1"),
        ("RECIPE", '{"steps": 1000000000000000000000}', "RECIPE: steps: found 1000000000000000000000"),
    ],
)
def test_what_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    """One sentence a variable."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=message):
        read_settings()


def test_a_key_of_two_lines_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "SECRET\nabc")
    with pytest.raises(SettingsError, match=r"LABEL_STUDIO_API_KEY: .*copy it again") as caught:
        read_settings()
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("hosts", ["storage.lab", "10.0.0.5:9000, fd00::1", " ,minio"])
def test_servers_of_images_may_have_a_port(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    monkeypatch.setenv("IMAGE_HOSTS", hosts)
    assert read_settings().allowed_image_hosts


def test_a_wrong_password_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are logged."""
    monkeypatch.setenv("REDIS_URL", "http://:hunter2@x")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert "hunter2" not in str(caught.value)


def test_a_missing_key_says_where_to_find_one() -> None:
    """Only when it is needed."""
    with pytest.raises(SettingsError, match="LABEL_STUDIO_API_KEY"):
        _ = read_settings().api_key


def test_the_embedded_redis_is_found(tmp_path: Path) -> None:
    """Commands in another shell find the one that `up` started."""
    settings = read_settings(model_dir=tmp_path)
    with pytest.raises(SettingsError, match="python -m backend up"):
        _ = settings.redis_address
    (tmp_path / EMBEDDED_REDIS_FILE).write_text("redis://127.0.0.1:7000/0\n")
    assert settings.redis_address == "redis://127.0.0.1:7000/0"


@pytest.mark.parametrize("nothing", [None, "", "null", " None ", {}, "{}"])
def test_no_extra_params_are_the_defaults(nothing: str | dict[str, object] | None) -> None:
    """Label Studio sends null, and some versions the word."""
    options = parse_project_settings(nothing, {"budget": 7})
    assert (options.budget, options.strategy) == (7, strategies.DEFAULT)  # as on the command line


@pytest.mark.parametrize(
    ("extra", "strategy"),
    [
        ('{"similarity": "unet"}', "task_dependent"),
        ('{"candidates": 16, "budget": 3}', "task_dependent"),
        ('{"uncertainty": "reverse_accuracy"}', "herding"),
        ('{"search": "greedy"}', "herding"),
        ('{"similarity": null, "budget": 3}', "herding"),
        ('{"live": false}', "herding"),
        ('{"strategy": "coverage", "mutual": false}', "coverage"),
    ],
)
def test_options_of_the_method_keep_it_where_no_strategy_is_named(extra: str, strategy: str) -> None:
    """Of a project that was set up when it was the default: they would mean nothing otherwise."""
    assert parse_project_settings(extra).strategy == strategy
    assert parse_project_settings(None, json.loads(extra)).strategy == strategy


def test_strategies_that_need_nothing_but_pixels_order_live() -> None:
    """Only these are quick enough; options of other strategies count for nothing."""
    live = {"task_dependent", "coverage", "alike", "trusted", "herding", "uherding"}
    live |= {"influence", "error_reduction"}
    for name in strategy_names():
        options = parse_project_settings({"strategy": name, "search": "greedy"})
        assert options.orders_live == (name in live), name
        assert not parse_project_settings({"strategy": name, "live": False}).orders_live
    assert parse_project_settings('{"strategy": "coverage", "mutual": false}').orders_live
    assert not parse_project_settings('{"strategy": "coverage", "similarity": "unet"}').orders_live
    with pytest.raises(SettingsError, match=r"objective: found 'max', .*min_mean, worst_fifth"):
        parse_project_settings('{"strategy": "coverage", "objective": "max"}')


def test_extra_params_win_over_defaults() -> None:
    """Key by key."""
    options = parse_project_settings('{"budget": 3, "recipe": {"width": 8}}', {"budget": 7, "seed": 4})
    assert (options.budget, options.seed, options.recipe) == (3, 4, {"width": 8})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"budgt": 5, "sead": 1}', "unknown keys budgt, sead; known are budget, "),
        ('{"budget": "5"}', r"budget: .*\(found '5'\)"),
        ('{"budget": 0}', "budget: "),
        ('{"budget": true}', "budget: "),
        ('{"seed": 18446744073709551616}', "seed: "),
        ('{"options of strategies": {"similarity": "unet"}}', "'options of strategies'"),
        ('{"strategy": "magic"}', "strategy: found 'magic', expected one of "),
        ('{"recipe": {"wdth": 8}}', "recipe: Unknown recipe settings wdth"),
        ('{"recipe": {"width": "8"}}', "recipe: width: found '8'"),
        ('{"recipe": "papr"}', "recipe: found 'papr', expected 'paper', or a JSON object"),
        ('{"recipe": ["paper"]}', "recipe: found \\['paper'\\], expected 'paper'"),
        ('{"recipe": null}', "recipe: found None, expected 'paper'"),
        ("[1]", "expected a JSON object"),
        ("budget=5", "found 'budget=5'"),
    ],
)
def test_wrong_extra_params_are_named(text: str, message: str) -> None:
    """An administrator reads this in Label Studio."""
    with pytest.raises(SettingsError, match=message):
        parse_project_settings(text)


@pytest.mark.parametrize(
    ("host", "bind", "local"),
    [
        ("127.0.0.1", "127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("0.0.0.0", "0.0.0.0:9090", "http://127.0.0.1:9090"),
        ("::", "[::]:9090", "http://127.0.0.1:9090"),
        ("[::]", "[::]:9090", "http://127.0.0.1:9090"),
        ("::1", "[::1]:9090", "http://[::1]:9090"),
        ("lab.example.org", "lab.example.org:9090", "http://lab.example.org:9090"),
    ],
)
def test_the_web_server_listens_on_addresses_of_both_kinds(host: str, bind: str, local: str) -> None:
    """IPv6 ones stand in brackets where a port follows."""
    settings = read_settings(host=host)
    assert (settings.bind, settings.local_url) == (bind, local)


def test_threads_are_the_cores_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of the machine: a network that has more threads than cores waits for itself."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(machine, "cgroups", lambda _: iter(()))
    assert [read_settings(workers=workers).torch_threads for workers in (1, 2, 8)] == [4, 2, 1]
    assert read_settings(threads=6).torch_threads == 6


def test_the_largest_image_follows_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker and the web server may have one in hand; no process takes more than 1.5 GB for one."""
    assert read_settings(max_megapixels=1.5).most_pixels == 1_500_000
    assert read_settings(max_megapixels=400).most_pixels == MAX_PIXELS
    for memory, workers, most in ((64e9, 1, 64_000_000), (2e9, 1, 62_500_000), (2e9, 3, 31_250_000)):
        monkeypatch.setattr(settings, "usable_memory", lambda memory=memory: int(memory))
        assert read_settings(workers=workers).most_pixels == most
