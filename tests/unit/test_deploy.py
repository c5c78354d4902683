"""What is in deploy/ is well-formed, names what exists, and asks for what the settings need.

No image is built and no unit is started here: their own linters read them.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from tradingrules.environment import BASE_DIR, Environment, read_environment

DEPLOY = BASE_DIR / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAMS = Path(sys.executable).parent
NOT_OURS = {"POSTGRES_PASSWORD", "WEB_CONCURRENCY"}  # compose's and gunicorn's


def run(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=BASE_DIR, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def compose() -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return described


def command_of(unit: Path, name: str) -> list[str]:
    found = re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return shlex.split(found[0]) if found else []


def test_hadolint_has_nothing_to_say_of_the_image() -> None:
    assert run(PROGRAMS / "hadolint", "deploy/Containerfile") == ""


def test_the_image_runs_as_nobody_in_particular_and_is_pinned_to_tags() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert all(re.fullmatch(r"[a-z]+:\d[\w.-]+", base) for base in bases), bases
    assert "USER 10001" in lines
    for path in re.findall(r"deploy/[\w.]+\.py", "\n".join(lines)):
        assert (BASE_DIR / path).is_file()


def test_the_image_gets_everything_that_it_copies_and_nothing_secret() -> None:
    kept = {
        line[1:] for line in (BASE_DIR / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert all((BASE_DIR / path).exists() for path in kept)
    tracked = run("git", "ls-files", "*.py").splitlines()
    packages = {path.split("/")[0] for path in tracked if "/" in path}
    assert packages <= kept | {"bench", "deploy", "docs", "tests"}
    assert ".env" not in kept


def test_the_compose_file_is_as_its_specification_asks() -> None:
    run(
        *(sys.executable, "-m", "check_jsonschema"),
        *("--builtin-schema=vendor.compose-spec", "deploy/compose.yaml"),
    )


def test_every_service_of_ours_may_do_little_and_runs_a_command_that_there_is() -> None:
    services = compose()["services"]
    assert {"db", "migrate", "web", "worker", "evaluator", "stream", "backup"} == services.keys()
    for name in services.keys() - {"db"}:
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        if command := service.get("command"):
            assert command[:2] == ["python", "manage.py"]
            assert command[2] in get_commands(), name


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_unit_runs_a_command_that_there_is(unit: Path) -> None:
    for line in ("ExecStartPre", "ExecStart"):
        match command_of(unit, line):
            case [program, "manage.py", command, *_]:
                assert program.endswith("/python")
                assert command in get_commands()
            case [program, "--config", config, _]:
                assert program.endswith("/gunicorn")
                assert (BASE_DIR / config).is_file()
            case []:
                assert line == "ExecStartPre"
            case other:
                pytest.fail(f"what is {other}?")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_every_unit_and_finds_little_exposed(
    unit: Path, tmp_path: Path
) -> None:
    ours = tmp_path / unit.name
    words = unit.read_text().replace("/srv/tradingrules/.venv/bin", str(PROGRAMS))
    ours.write_text(words.replace("/srv/tradingrules", str(BASE_DIR)))
    assert run("systemd-analyze", "verify", "--man=no", ours) == ""
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", ours)


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_understands_its_site(tmp_path: Path) -> None:
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rules"),
        *("-keyout", key, "-out", certificate),
    )
    site = (DEPLOY / "nginx.conf").read_text()
    site = site.replace("/etc/letsencrypt/live/rules.example.org", str(tmp_path))
    (tmp_path / "site.conf").write_text(site)
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; include {tmp_path}/site.conf; }}\n"
    )
    assert "test is successful" in run("nginx", "-t", "-c", whole, "-p", tmp_path)


def test_gunicorn_understands_its_settings() -> None:
    config = ("--config", "deploy/gunicorn_conf.py")
    run(PROGRAMS / "gunicorn", "--check-config", *config, "tradingrules.wsgi")


def test_a_web_process_has_its_views_before_it_serves_and_keeps_the_collector_from_them() -> None:
    asked = "import gc, sys, tradingrules.wsgi; print('actions.api.rules' in sys.modules, end=' ')"
    frozen = "print(gc.get_freeze_count() > 10 * len(gc.get_objects()))"
    assert run(sys.executable, "-c", f"{asked}; {frozen}") == "True True\n"


def test_the_example_environment_names_variables_that_there_are() -> None:
    named = set(re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))
    known = {name.upper() for name in Environment.model_fields}
    assert named - known == NOT_OURS
    assert {"SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL"} <= named


def test_the_example_environment_starts_once_it_is_filled_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    example = (DEPLOY / "example.env").read_text()
    filled = tmp_path / "filled.env"
    filled.write_text(
        example.replace("\nSECRET_KEY=\n", "\nSECRET_KEY=something-long\n").replace(
            "#DATABASE_URL", "DATABASE_URL"
        )
    )
    monkeypatch.setenv("ENV_FILE", str(filled))
    environment = read_environment()
    assert environment.site_url == "https://rules.example.org"
    assert (environment.debug, environment.trusted_proxies) == (False, 1)
