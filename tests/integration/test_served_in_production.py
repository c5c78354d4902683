"""The application as production serves it: gunicorn with its settings, hashed files, headers."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.postgres import run_cluster

pytestmark = pytest.mark.django_db  # for the tables: gunicorn has a connection of its own

SECRETS = {
    "SECRET_KEY": "9b1f-the-key-that-signs-everything-and-must-never-be-seen-anywhere-4c77",
    "OPENAI_API_KEY": "sk-the-key-of-the-model",
    "TWELVEDATA_API_KEY": "the-key-of-the-feed",
    "EMAIL_URL": "smtp://rules:the-password-of-the-mail@127.0.0.1:1",
}
DATABASE_PASSWORD = "the-password-of-the-database"
SIGN_IN = "/sign-in"
HIDDEN = (*SECRETS.values(), "the-password-of-the-mail", DATABASE_PASSWORD)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Site:
    port: int
    log: Path

    def get(self, path: str, **headers: str) -> Answer:
        """As the proxy in front asks, unless the headers say otherwise."""
        given = {"Host": "rules.example.org", "X-Forwarded-Proto": "https"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as asking:
            asking.request("GET", path, headers=given)
            with closing(asking.getresponse()) as answer:
                found = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(answer.status, found, answer.read().decode(errors="replace"))


def environment(static: Path, database_url: str) -> dict[str, str]:
    # What drives a browser in this process says that Django may be asked in an event loop.
    ours = {name: said for name, said in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return (
        ours
        | SECRETS
        | {
            "DEBUG": "false",
            "DJANGO_SETTINGS_MODULE": "tests.production",
            "TEST_STATIC_ROOT": str(static),
            "ALLOWED_HOSTS": "rules.example.org",
            "DATABASE_URL": database_url,
            "WEB_CONCURRENCY": "1",
        }
    )


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"],
        cwd=settings.BASE_DIR,
        env=environment(folder, "postgresql://nobody@127.0.0.1:1/none"),
        timeout=120,
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def site(
    static: Path,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Site]:
    """With this test's database behind it."""
    with django_db_blocker.unblock():
        url = run_cluster().url(connection.settings_dict["NAME"])
    yield from served(static, url, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def bereft(static: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a database that does not answer."""
    url = f"postgresql://rules:{DATABASE_PASSWORD}@127.0.0.1:1/rules"
    yield from served(static, url, tmp_path_factory.mktemp("bereft"))


def served(static: Path, url: str, folder: Path) -> Iterator[Site]:
    # Its socket is made here: a port that is only found free may be another's when it begins.
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        site = Site(ours.getsockname()[1], folder / "log")
        with site.log.open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    "--config=deploy/gunicorn_conf.py",
                    "tradingrules.wsgi",
                ],
                cwd=settings.BASE_DIR,
                env=environment(static, url) | {"WEB_BIND": f"fd://{ours.fileno()}"},
                pass_fds=[ours.fileno()],
                stdout=log,
                stderr=log,
            )
    try:
        deadline = time.monotonic() + 120
        while not is_up(site):
            assert process.poll() is None, site.log.read_text()
            assert time.monotonic() < deadline, site.log.read_text()
            time.sleep(0.1)
        yield site
    finally:
        process.terminate()
        process.wait(60)


def is_up(site: Site) -> bool:
    try:
        return site.get("/api/health").status == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (SIGN_IN, 200),
        ("/api/health", 200),
        ("/api/actions", 401),
        ("/api/docs", 200),
        ("/actions", 302),
        ("/nothing/here", 404),
        ("/api/nothing/here", 404),
    ],
)
def test_every_answer_has_the_headers_that_protect_it(site: Site, path: str, status: int) -> None:
    answer = site.get(path)
    assert answer.status == status
    assert protecting(answer) == {
        "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
    }
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "camera=(), " in answer.headers["permissions-policy"]


def protecting(answer: Answer) -> dict[str, str]:
    names = (
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "referrer-policy",
        "cross-origin-opener-policy",
    )
    return {name: answer.headers.get(name, "none") for name in names}


def test_files_have_the_hash_of_what_is_in_them_and_are_kept_for_good(site: Site) -> None:
    page = site.get(SIGN_IN).body
    hashed = re.findall(r'(?:href|src)="(/static/[^"]+\.[0-9a-f]{12}\.(?:css|js))"', page)
    assert len(hashed) > 3
    for path in hashed:
        answer = site.get(path)
        assert (answer.status, answer.headers["x-content-type-options"]) == (200, "nosniff")
        assert answer.headers["cache-control"] == "max-age=315360000, public, immutable"


def test_what_came_over_plain_http_is_sent_to_https(site: Site) -> None:
    answer = site.get("/actions", X_Forwarded_Proto="http")
    assert (answer.status, answer.headers["location"]) == (301, "https://rules.example.org/actions")


def test_a_name_that_is_not_served_is_refused_in_few_words(site: Site) -> None:
    answer = site.get(SIGN_IN, Host="evil.example.com")
    assert answer.status == 400
    assert "evil.example.com" not in answer.body
    api = site.get("/api/health", Host="evil.example.com")
    assert (api.status, api.headers["content-type"]) == (400, "application/problem+json")
    assert "evil.example.com" not in api.body


def test_the_image_s_health_check_tells_whether_it_can_work(site: Site, bereft: Site) -> None:
    well, ill = (healthy(each) for each in (site, bereft))
    assert (well.stderr, well.returncode) == ("", 0)
    assert ill.returncode == 1
    assert "503" in ill.stderr
    assert "The database does not answer." in ill.stderr


def healthy(site: Site) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "deploy/healthy.py"],
        cwd=settings.BASE_DIR,
        env={"ALLOWED_HOSTS": "rules.example.org", "WEB_BIND": f"127.0.0.1:{site.port}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_secret_is_told_when_the_database_is_gone(bereft: Site) -> None:
    api = bereft.get("/api/ready")
    assert (api.status, api.headers["content-type"]) == (503, "application/problem+json")
    signed_in = bereft.get("/actions", Cookie=f"sessionid={'a' * 32}")
    assert (signed_in.status, signed_in.headers["retry-after"]) == (503, "5")
    assert "The database does not answer at the moment." in signed_in.body
    seen = bereft.log.read_text() + api.body + signed_in.body
    assert "port 1 failed: Connection refused" in seen, "the log says what is wrong"
    assert [secret for secret in HIDDEN if secret in seen] == []


def test_the_checks_of_a_deployment_find_nothing_and_tell_nothing_secret(static: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level=WARNING"],
        cwd=settings.BASE_DIR,
        env=environment(static, f"postgresql://rules:{DATABASE_PASSWORD}@127.0.0.1:1/rules"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert [secret for secret in HIDDEN if secret in said] == []
