"""Files of rules that support imports in the admin, and operators by command."""

import io
import json
from datetime import datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from actions.models import Action, RuleImport
from tests.factories import UserFactory
from tests.integration.test_import_doors import FILE, WRONG, a_rule, ada

__all__ = ["ada"]  # a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]


# --- Support ---


@pytest.fixture
def support() -> Client:
    staff = UserFactory.create(username="support", is_staff=True)
    names = ("import_rules", "view_ruleimport", "view_action")
    staff.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(staff)
    return client


ADD = reverse("admin:actions_ruleimport_add")
IMPORTS = reverse("admin:actions_ruleimport_changelist")


def test_support_imports_rules_for_their_owner_with_a_reason(support: Client, ada: User) -> None:
    def file() -> SimpleUploadedFile:
        return SimpleUploadedFile("rules.csv", FILE)

    without = support.post(ADD, {"user": ada.pk, "file": file()}, secure=True)
    assert b"This field is required" in without.content
    asked = {"user": ada.pk, "file": file(), "reason": "She asked by telephone."}
    answer = support.post(ADD, asked, secure=True, follow=True)
    assert b"Line 2, dip: new." in answer.content
    held = RuleImport.objects.get()
    assert (held.user, held.by and held.by.username, held.state) == (ada, "support", "checked")
    chosen = {"action": "import_them", "_selected_action": [str(held.pk)]}
    support.post(IMPORTS, chosen, secure=True)
    rule = Action.objects.get()
    assert (rule.user, rule.status_reason) == (ada, "Imported by support.")
    changed = FILE.replace(b",10,", b",12,")
    asked = {"user": ada.pk, "file": SimpleUploadedFile("f", changed), "reason": "Again."}
    support.post(ADD, asked, secure=True)
    second = RuleImport.objects.exclude(pk=held.pk).get()
    support.post(IMPORTS, {**chosen, "_selected_action": [str(second.pk)]}, secure=True)
    page = support.get(reverse("admin:actions_action_change", args=[rule.pk]), secure=True)
    assert "Imported by support: Again." in page.content.decode()


def test_who_may_not_import_for_others_cannot(support: Client, ada: User) -> None:
    Permission.objects.get(codename="import_rules").user_set.clear()
    assert support.get(ADD, secure=True).status_code == 403
    assert b"import_them" not in support.get(IMPORTS, secure=True).content


def test_support_exports_the_rules_that_are_selected(
    support: Client, ada: User, now: datetime
) -> None:
    rules = [a_rule(ada, now) for _ in range(3)]
    chosen = {"action": "export_csv", "_selected_action": [str(rule.pk) for rule in rules[:2]]}
    answer = support.post(reverse("admin:actions_action_changelist"), chosen, secure=True)
    rows = b"".join(answer.streaming_content).splitlines()  # type: ignore[attr-defined]
    assert len(rows) == 3


# --- The commands ---


def test_the_commands_write_and_read_files(ada: User, tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "rules.csv"
    path.write_bytes(FILE)
    said = io.StringIO()
    call_command("import_rules", str(path), "--user=ADA@example.com", stdout=said)
    assert "2,dip,new,," in said.getvalue()
    assert "Nothing was changed. Add --apply to do it." in said.getvalue()
    assert not Action.objects.exists()
    call_command("import_rules", str(path), "--user=ada@example.com", "--apply", stdout=said)
    assert said.getvalue().endswith("Done.\n")
    written = io.StringIO()
    call_command("export_rules", "--user=ada@example.com", "--format=jsonl", stdout=written)
    assert json.loads(written.getvalue())["external_id"] == "dip"


def test_a_command_names_what_is_wrong_and_fails(ada: User, tmp_path: Path) -> None:
    path = tmp_path / "rules.csv"
    path.write_bytes(WRONG)
    said = io.StringIO()
    with pytest.raises(CommandError, match=r"Refused\. Nothing was changed"):
        call_command("import_rules", str(path), "--user=ada@example.com", "--apply", stdout=said)
    assert "2,dip,error,quantity," in said.getvalue()
    with pytest.raises(CommandError, match="Nobody has the address"):
        call_command("import_rules", str(path), "--user=bob@example.com")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_rules", str(tmp_path / "none.csv"), "--user=ada@example.com")
