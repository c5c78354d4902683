"""What a page says, as plain text."""

from html import unescape

from django.test import Client
from django.utils.html import strip_tags


def text_of(client: Client, path: str) -> str:
    """Without its tags, a space between all words."""
    response = client.get(path, secure=True)
    assert response.status_code == 200
    return " ".join(unescape(strip_tags(response.content.decode())).split())
