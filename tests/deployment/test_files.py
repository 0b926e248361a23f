"""Dockerfile, docker-compose.yml and .env.example fit each other, their schemas, and this repository."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose
from dotenv import dotenv_values

from backend.settings import Settings
from tests.deployment.composed import (
    COMPOSE,
    DOCKERFILE,
    EXAMPLE,
    ROOT,
    VARIABLE,
    instruction,
    read,
    written_env,
)

SECRETS = {
    "LABEL_STUDIO_PASSWORD",
    "LABEL_STUDIO_API_KEY",
    "BASIC_AUTH_PASS",
    "REDIS_PASSWORD",
    "POSTGRES_PASSWORD",
}
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `make .env` writes."""
    return written_env(tmp_path_factory.mktemp("env"))


def test_the_dockerfile_is_clean() -> None:
    done = subprocess.run(
        [TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_image_has_what_it_needs_and_no_more() -> None:
    """Every source exists and is let through; the same package without dependencies as in the Makefile;
    a user of its own."""
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    sources = {
        source
        for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert sources == let_through == {"model", "backend", "requirements.txt"}
    assert all((ROOT / source).exists() for source in sources)
    apart = re.findall(r"--no-deps (label-studio-ml==\S+)", DOCKERFILE)
    assert apart == re.findall(r"--no-deps (label-studio-ml==\S+)", (ROOT / "Makefile").read_text())
    assert instruction("USER") == ["10001"]
    after = DOCKERFILE.split("COPY backend")[1]
    assert "USER" in after, "the program's files belong to root"
    assert "chmod -R a+rX" in after.split("USER")[0], (
        "a checkout under umask 077 could not be read by the user"
    )
    assert re.search(r"python:3\.1[123]-", instruction("FROM")[0])


@pytest.mark.parametrize(("value", "code"), [("", 0), ("1", 0), ("0", 1), ("false", 1), ("all", 1)])
def test_a_gpu_is_asked_for_by_1_alone(value: str, code: int) -> None:
    """Others would count as set, "0" and "false" included; the build says so."""
    check = next(
        line.removeprefix("RUN ") for line in DOCKERFILE.splitlines() if line.startswith('RUN case "$GPU"')
    )
    done = subprocess.run(
        ["sh", "-c", check], env={"GPU": value}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stderr == (f"GPU: found '{value}', expected 1, or nothing for none\n" if code else "")


def test_the_compose_file_is_valid(variables: dict[str, str]) -> None:
    """By the schema of the specification, and by a reader of it."""
    checker = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(checker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    understood = PyCompose.from_yaml(yaml.safe_dump(read(variables)))
    assert set(understood.service_names()) == {
        "web",
        "worker",
        "scheduler",
        "redis",
        "label-studio",
        "postgres",
    }


def test_services_and_volumes_that_are_named_are_there(variables: dict[str, str]) -> None:
    content = read(variables)
    services, volumes = content["services"], set(content["volumes"])
    mounted = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])]
    assert {name for name in mounted if not name.startswith((".", "/"))} == volumes
    assert all((ROOT / name).exists() for name in mounted if name.startswith("."))
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in services[other], f"{name} waits for the health of {other}"
        assert service["restart"] == "unless-stopped"
        assert service["logging"] == {"driver": "local"}, "others grow for ever"
    hosts = re.findall(
        r"(?:://|@)([a-z-]+):\d+", json.dumps([services[name]["environment"] for name in ("web", "worker")])
    )
    assert set(hosts) - {"localhost"} <= set(services)
    assert services["label-studio"]["environment"]["POSTGRE_HOST"] in services


def test_redis_gives_up_root(variables: dict[str, str]) -> None:
    """The image does that where the first word of the command is redis-server."""
    assert read(variables)["services"]["redis"]["command"][0] == "redis-server"


def test_the_example_names_every_variable_once() -> None:
    text = EXAMPLE.read_text()
    named = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(VARIABLE.findall(COMPOSE.read_text())) <= set(named)
    of_others = {
        name for name in named if name.lower() not in Settings.model_fields and not name.startswith("AWS_")
    }
    assert of_others <= set(VARIABLE.findall(COMPOSE.read_text())), "named, and read by nobody"


def test_no_password_works_by_default(variables: dict[str, str]) -> None:
    """The example's secrets are empty, compose says so and what to do, and each written file has others."""
    example = {name: value or "" for name, value in dotenv_values(EXAMPLE).items()}
    assert {name for name in SECRETS if example[name]} == set()
    for name in [*sorted(SECRETS), "BASIC_AUTH_USER", "LABEL_STUDIO_USERNAME"]:
        with pytest.raises(ValueError, match=f"{name} .*is not set; "):
            read(variables | {name: ""})
        with pytest.raises(ValueError, match=f"{name} .*is not set; "):
            read({other: value for other, value in variables.items() if other != name})
    assert len({variables[name] for name in SECRETS}) == len(SECRETS)
    assert all(re.fullmatch("[0-9a-f]{40}", variables[name]) for name in SECRETS)
    secret = [
        str(value)
        for service in yaml.safe_load(COMPOSE.read_text())["services"].values()
        for value in service["environment"].values()
    ]
    assert not [value for value in secret if re.search(r"(PASSWORD|PASS|KEY):-[^}]", value)]


def test_the_written_file_is_private_and_stays(tmp_path: Path) -> None:
    """Another `make .env` changes nothing: the databases know the first passwords."""
    first = written_env(tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert written_env(tmp_path) == first
    ignored = subprocess.run(["git", "check-ignore", ".env"], cwd=ROOT, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_ports_are_this_machine_s_own(variables: dict[str, str]) -> None:
    """Only the two pages, and by default nobody else reaches them."""
    services = read(variables)["services"]
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"web": ["127.0.0.1:9090:9090"], "label-studio": ["127.0.0.1:8080:8080"]}
    without = read({name: value for name, value in variables.items() if not name.endswith("_ADDRESS")})[
        "services"
    ]
    assert without["web"]["ports"] == ports["web"]
    assert str(services["web"]["environment"]["PORT"]) == instruction("EXPOSE")[0] == "9090"
