"""Exits with 0 if the web process of this container can work: for the image's health check.

Asks as the proxy in front does: by a name that is served, and as if over HTTPS.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

host = os.environ["ALLOWED_HOSTS"].split(",")[0].strip().removeprefix(".")
port = os.environ.get("WEB_BIND", "127.0.0.1:8000").rpartition(":")[2]
asking = HTTPConnection("127.0.0.1", int(port), timeout=4)
try:
    asking.request("GET", "/api/ready", headers={"Host": host, "X-Forwarded-Proto": "https"})
    answer = asking.getresponse()
except (OSError, HTTPException) as error:
    sys.exit(f"It does not answer: {error}")
if answer.status != 200:
    sys.exit(f"{answer.status}: {answer.read().decode(errors='replace')}")
