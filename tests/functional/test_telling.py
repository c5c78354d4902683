"""A person chooses how to be told, and reads what was told."""

from datetime import UTC, datetime, time

import pytest
from playwright.sync_api import expect

from accounts.models import User
from actions.models import Notification, Preferences
from tests.factories import UserFactory
from tests.functional.visits import Visits, assert_accessible

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("feed")]


@pytest.fixture
def ada() -> User:
    return UserFactory.create(username="ada", email="ada@example.org")


def test_e_mails_and_quiet_hours_are_chosen(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/account/notifications")
    assert_accessible(page)
    page.get_by_label("Quiet from").fill("22:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Quiet until")).to_have_accessible_description(
        "Times of your zone. E-mails wait until then; many become one. "
        "Quiet hours need a begin and an end, or neither."
    )
    expect(page.get_by_label("Quiet from")).to_have_value("22:00")
    page.get_by_label("Quiet until").fill("07:00")
    page.get_by_label("Send me e-mails").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved.")
    chosen = Preferences.objects.get(user=ada)
    assert (chosen.quiet_from, chosen.quiet_until) == (time(22), time(7))
    assert not chosen.email_on


def test_the_secret_of_a_webhook_is_shown_once(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/account/notifications")
    page.get_by_label("Address").fill("http://127.0.0.1/hook")
    page.get_by_role("button", name="Set the webhook").click()
    expect(page.locator(".errorlist")).to_be_visible()
    assert not Preferences.objects.filter(user=ada).exists()
    page.get_by_label("Address").fill("https://rules.example.org/hook")
    page.get_by_role("button", name="Set the webhook").click()
    first = page.locator("#webhook-secret").inner_text()
    assert first == Preferences.objects.get(user=ada).webhook_secret
    assert_accessible(page)
    page.reload()
    expect(page.locator("#webhook-secret")).to_have_count(0)
    assert first not in page.content()

    page.get_by_role("button", name="Save, with a new secret").click()
    expect(page.locator("#webhook-secret")).not_to_have_text(first)
    page.get_by_role("button", name="Stop calling it").click()
    expect(page.get_by_role("button", name="Call it again")).to_be_visible()
    assert not Preferences.objects.get(user=ada).webhook_on


def test_what_is_not_read_is_counted_until_it_is(visits: Visits, ada: User) -> None:
    other = UserFactory.create(username="bob")
    for user, count in ((ada, 30), (other, 1)):
        for n in range(count):
            Notification.objects.create(
                user=user,
                subject=f"Told {user.username} {n}",
                body="<b>Sold</b> 10 AAPL.",
                created_at=datetime(2026, 11, 17, 15, n, tzinfo=UTC),
            )
    page = visits.begin(user=ada)
    page.goto("/actions")
    expect(page.get_by_role("link", name="Notifications 30 not read")).to_be_visible()
    page.get_by_role("link", name="Notifications 30 not read").click()
    expect(page.locator(".timeline > li")).to_have_count(25)
    expect(page.locator("main")).not_to_contain_text("Told bob")
    expect(page.locator("main")).to_contain_text("<b>Sold</b> 10 AAPL.")
    assert_accessible(page)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".timeline > li")).to_have_count(5)
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#toasts")).to_contain_text("30 marked as read.")
    expect(page.locator(".count")).to_have_count(0)
    assert Notification.objects.filter(user=other, read_at__isnull=True).count() == 1


def test_nobody_told_anything_yet_is_said(visits: Visits, ada: User) -> None:
    page = visits.begin(user=ada)
    page.goto("/notifications")
    expect(page.get_by_role("heading", name="Nothing yet")).to_be_visible()
    assert_accessible(page)
