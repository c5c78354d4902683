"""A person signs up, signs in, and keeps the account safe."""

import re
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import hotp_value
from django.core import mail
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.conftest import Feed
from tests.factories import PASSWORD, UserFactory
from tests.functional.visits import PHONE, Visits, assert_accessible

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("feed")]


@pytest.fixture
def ada(feed: Feed) -> User:
    return UserFactory.create(username="ada", email="ada@example.org")


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail or name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def link_in(letter: object) -> str:
    found = re.search(r"https?://\S+", str(letter))
    assert found is not None, letter
    return found.group()


def begin_second_factor(page: Page) -> tuple[str, list[str]]:
    """Switches it on, and returns the secret with the recovery codes."""
    page.goto("/account")
    page.get_by_role("link", name="Set it up").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("img", name="A QR code that holds the secret")).to_be_visible()
    assert_accessible(page)
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return secret, page.locator("#codes li").all_inner_texts()


def code_of(secret: str) -> str:
    return f"{hotp_value(secret, int(time.time()) // 30):06d}"


@pytest.mark.parametrize("javascript", [True, False])
def test_somebody_signs_up_and_is_at_home_at_once(visits: Visits, javascript: bool) -> None:
    page = visits.begin(width=PHONE, javascript=javascript)
    page.goto("/sign-in")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("E-mail").fill("Grace@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    grace = User.objects.get(email="grace@example.org")
    assert (grace.username, grace.time_zone) == ("grace", "Europe/Berlin")

    [letter] = mail.outbox
    assert letter.subject == "Trading Rules: Confirm your e-mail"
    link = link_in(letter.body)
    page.goto(link)
    page.get_by_role("button", name="Yes, it is mine").click()
    expect(page.get_by_role("button", name="Yes, it is mine")).to_have_count(0)
    page.goto("/account")
    expect(page.get_by_text("grace@example.org, confirmed")).to_be_visible()


def test_the_browsers_zone_is_proposed(visits: Visits) -> None:
    page = visits.begin(zone="Asia/Tokyo")
    page.goto("/sign-up")
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")


def test_what_is_wrong_with_a_sign_up_stands_at_its_field(visits: Visits, ada: User) -> None:
    page = visits.begin()
    page.goto("/sign-up")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill("12345678")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_label("E-mail")).to_have_accessible_description(
        "There is an account with this e-mail already. Sign in with it."
    )
    expect(page.get_by_label("Password")).to_have_accessible_description(re.compile("too common"))
    expect(page.get_by_label("E-mail")).to_have_value("ada@example.org")
    assert_accessible(page)


def test_a_mail_server_that_is_missing_stops_nobody(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("allauth.account.adapter.DefaultAccountAdapter.send_mail", refuse)
    page = visits.begin()
    page.goto("/sign-up")
    page.get_by_label("E-mail").fill("grace@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("The e-mail could not be sent")


@pytest.mark.parametrize(("name", "javascript"), [("ada", True), ("ada@example.org", False)])
def test_one_signs_in_by_name_or_e_mail_and_out(
    visits: Visits, ada: User, name: str, javascript: bool
) -> None:
    page = visits.begin(javascript=javascript)
    sign_in(page, name, PASSWORD)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.locator("#account-menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_five_wrong_passwords_lock_the_account_out_by_whatever_name(
    visits: Visits, ada: User
) -> None:
    page = visits.begin(expected=["429"])
    for name in ("ada", "ada@example.org", "ADA", "Ada@Example.org"):
        sign_in(page, name, "wrong")
        expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, "ada", "wrong")
    expect(page.get_by_role("heading", name="Please wait")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Wait 15 minutes, then try again.")
    assert_accessible(page)
    sign_in(page, "ada@example.org", PASSWORD)
    expect(page.get_by_role("heading", name="Please wait")).to_be_visible()

    UserFactory.create(username="bob")
    sign_in(page, "bob", PASSWORD)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_a_forgotten_password_is_replaced_by_the_link_in_an_e_mail_once(
    visits: Visits, ada: User
) -> None:
    page = visits.begin()
    page.goto("/sign-in")
    page.get_by_role("link", name="Forgotten your password?").click()
    assert_accessible(page)
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Look into your e-mail")).to_be_visible()
    [letter] = mail.outbox
    link = link_in(letter.body)
    page.goto(link)
    fresh = "a fresh and a longer password"
    page.get_by_label("New Password", exact=True).fill(fresh)
    page.get_by_label("New Password (again)").fill(fresh)
    assert_accessible(page)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading", name="Your password is changed")).to_be_visible()
    sign_in(page, "ada", fresh)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    other = visits.begin()
    other.goto(link)
    expect(other.get_by_role("heading", name="This link is no longer good")).to_be_visible()


def test_a_second_factor_is_asked_for_from_then_on(visits: Visits, ada: User) -> None:
    secret, codes = begin_second_factor(visits.begin(user=ada))
    assert len(codes) == 10

    page = visits.begin(width=PHONE)
    sign_in(page, "ada", PASSWORD)
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    assert_accessible(page)
    page.goto("/actions")
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    again = visits.begin()
    sign_in(again, "ada", PASSWORD)
    again.get_by_label("Code").fill(codes[0])
    again.get_by_role("button", name="Sign in", exact=True).click()
    expect(again.get_by_text("Incorrect code.")).to_be_visible()
    # The code that switched it on is used up: the next one is good, within the clock's tolerance.
    again.get_by_label("Code").fill(f"{hotp_value(secret, int(time.time()) // 30 + 1):06d}")
    again.get_by_role("button", name="Sign in", exact=True).click()
    expect(again.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_five_wrong_codes_lock_the_account_out_too(visits: Visits, ada: User) -> None:
    begin_second_factor(visits.begin(user=ada))
    page = visits.begin(expected=["429"])
    sign_in(page, "ada", PASSWORD)
    for _ in range(5):
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Please wait")).to_be_visible()


def test_support_signs_in_to_the_admin_as_everybody_does(visits: Visits, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    begin_second_factor(visits.begin(user=ada))
    page = visits.begin()
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail or name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()


def test_name_time_zone_and_password_are_changed(visits: Visits, ada: User) -> None:
    UserFactory.create(username="taken")
    page = visits.begin(user=ada)
    page.goto("/account")
    assert_accessible(page)
    page.get_by_label("Name").fill("taken")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Name")).to_have_accessible_description(re.compile("already exists"))
    page.get_by_label("Name").fill("lovelace")
    page.get_by_label("Time zone").select_option("Asia/Kolkata")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Your name and time zone are saved.")
    ada.refresh_from_db()
    assert (ada.username, ada.time_zone) == ("lovelace", "Asia/Kolkata")

    page.get_by_role("link", name="Change the password").click()
    page.get_by_label("Current Password").fill(PASSWORD)
    page.get_by_label("New Password", exact=True).fill("another long password")
    page.get_by_label("New password, again").fill("another long password")
    assert_accessible(page)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("heading", name="Change your password")).to_have_count(0)
    ada.refresh_from_db()
    assert ada.check_password("another long password")


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_confirmed_e_mail_stays_until_the_new_one_is_confirmed(
    visits: Visits, ada: User, confirmed: bool
) -> None:
    EmailAddress.objects.create(user=ada, email=ada.email, primary=True, verified=confirmed)
    page = visits.begin(user=ada)
    page.goto("/account/email")
    assert_accessible(page)
    page.get_by_label("New e-mail").fill("countess@example.org")
    page.get_by_role("button", name="Send a link to confirm it").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("countess@example.org, not confirmed yet")).to_be_visible()
    ada.refresh_from_db()
    assert ada.email == ("ada@example.org" if confirmed else "countess@example.org")
    link = link_in(mail.outbox[-1].body)
    page.goto(link)
    page.get_by_role("button", name="Yes, it is mine").click()
    expect(page.get_by_role("button", name="Yes, it is mine")).to_have_count(0)
    ada.refresh_from_db()
    assert ada.email == "countess@example.org"
