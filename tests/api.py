"""The API as a client sees it: through the whole stack of Django, with a token."""

import json
from typing import Any

from django.test import Client
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User

PRICE_BELOW: dict[str, Any] = {
    "action_type": "SELL",
    "symbol": "AAPL",
    "quantity": "10",
    "trigger_type": "price_below",
    "trigger_params": {"threshold": "150"},
}


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {RefreshToken.for_user(user).access_token}"}


class Api:
    """Calls as `user`, or as nobody. Bodies that are no text are sent as JSON."""

    def __init__(self, user: User | None = None) -> None:
        self._client = Client()
        self._headers = bearer(user) if user else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """`headers` are written with underscores: if_match."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.generic(
            method,
            f"/api{path}",
            "" if body is None else _sent(body),
            content_type=named.pop("content-type", "application/json"),
            headers=self._headers | named,
        )

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("POST", path, {} if body is None else body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self("DELETE", path, **headers)


def _sent(body: Any) -> bytes | str:
    return body if isinstance(body, bytes | str) else json.dumps(body)


def wrong_fields(response: Any) -> list[str]:
    """The paths of the fields that a problem names."""
    return [error["field"] for error in response.json()["errors"]]


def written(api: Api, **changes: Any) -> dict[str, Any]:
    """A rule that is written over the API, PRICE_BELOW but for these changes, as it is answered."""
    response = api.post("/actions", {**PRICE_BELOW, **changes})
    assert response.status_code == 201, response.json()
    return dict(response.json())
