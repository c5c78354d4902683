"""Django's PostgreSQL backend on the embedded server (ENGINE "tradingrules.embedded").

Django loads this module by name. Importing it, checking types or asking for help starts nothing:
the server starts when a first connection finds none.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from django.db.backends.postgresql.client import DatabaseClient as PostgresClient

try:
    from tradingrules.embedded.binaries import program
    from tradingrules.embedded.cluster import Cluster
    from tradingrules.embedded.errors import EmbeddedPostgresError
except ModuleNotFoundError as missing:
    raise ImproperlyConfigured(
        f"The embedded PostgreSQL needs {missing.name}, which is not installed. "
        "Run `make setup`, or set DATABASE_URL to a PostgreSQL server of yours."
    ) from None


def configured_cluster() -> Cluster:
    """The cluster that the settings name."""
    return Cluster(settings.EMBEDDED_POSTGRES_DIR, fsync=settings.EMBEDDED_POSTGRES_FSYNC)


class DatabaseClient(PostgresClient):
    """`manage.py dbshell` with the wheel's own psql: the system need not have one."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        try:
            cluster = configured_cluster()
            cluster.ensure_running()
            url = cluster.url(settings_dict["NAME"] or "postgres")
            return [str(program("psql")), *parameters, url], None
        except EmbeddedPostgresError as wrong:
            raise ImproperlyConfigured(str(wrong)) from None


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects to the embedded server, and starts it when it does not answer."""

    client_class = DatabaseClient

    @property
    def cluster(self) -> Cluster:
        return configured_cluster()

    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        try:
            return parameters | self.cluster.connection_parameters(parameters["dbname"])
        except EmbeddedPostgresError as wrong:
            raise ImproperlyConfigured(str(wrong)) from None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            self._ensure_running()
        # The first start may have moved the data, and the socket with it.
        return super().get_new_connection(
            conn_params | {"host": self.get_connection_params()["host"]}
        )

    def _ensure_running(self) -> None:
        try:
            self.cluster.ensure_running()
        except EmbeddedPostgresError as wrong:
            raise ImproperlyConfigured(str(wrong)) from None
