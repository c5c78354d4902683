"""Importing a file of rules: each function is one use case.

A file is kept (open_import), looked at (check_import), confirmed, and applied in one transaction
(apply_import): all of it or nothing. Each step may be begun twice, or killed anywhere: a lock that
ends with its connection lets one at a time do it, and each change of the state is conditional.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, QuerySet

from accounts.models import User
from actions.bulk.checking import Check, Outcome, Verdict
from actions.bulk.reading import LARGEST_FILE, Fault, Record, Unreadable, records_of
from actions.bulk.report import Report, unpacked
from actions.bulk.storing import Store, lock_rules
from actions.drafting import Admits
from actions.models import RuleImport
from actions.services import NAMED_ONCE
from market.locks import session_lock
from market.services import admit, unlisted
from portfolios.models import Portfolio
from portfolios.services import primary_portfolio
from rest.unavailable import is_disturbance

States = RuleImport.States
MOST_RULES = 200_000
SMALL_FILE = 256 * 1024  # bytes: some thousand rules, done within a request
MOST_ATTEMPTS = 3
LONGEST_NAME = 200  # characters
CONFIRM_WITHIN = timedelta(days=1)

Progress = Callable[[int], object]


class ImportRefused(ValueError):
    """What is asked for cannot be done with the import as it stands."""


class _Ended(Exception):
    """Somebody has cancelled the import meanwhile: nothing of it may stay."""


class _Outdated(Exception):
    """The rules have changed since the report was shown: nothing of the import may stay."""


def owned_import(*, user: User, import_id: UUID) -> RuleImport:
    """The one gate to somebody's import, without the file and the whole report.

    Raises RuleImport.DoesNotExist for another's.
    """
    return _told().get(user=user, pk=import_id)


def imports_of(*, user: User) -> QuerySet[RuleImport]:
    """The user's imports, newest first."""
    return _told().filter(user=user)


def whole_report(*, user: User, import_id: UUID) -> Iterator[bytes]:
    """The CSV of all lines, in pieces; nothing where no file was looked at yet.

    Raises RuleImport.DoesNotExist for another's.
    """
    packed = RuleImport.objects.values_list("report", flat=True).get(user=user, pk=import_id)
    return unpacked(bytes(packed or b""))


def open_import(
    *,
    user: User,
    content: bytes,
    now: datetime,
    name: str = "",
    by: User | None = None,
    reason: str = "",
    at_once: bool = False,
) -> RuleImport:
    """Keeps a file of rules for `user`, to be looked at by check_import.

    `by` is who imports it for them, with the reason. `at_once` has it applied without being
    confirmed, where nothing is wrong. Raises ImportRefused for a file that is too
    large, and where the reason is missing.
    """
    if len(content) > LARGEST_FILE:
        raise ImportRefused(f"The file is larger than {LARGEST_FILE // 1024**2} MB. Split it.")
    if by is not None and not reason.strip():
        raise ImportRefused("Say why you import rules for somebody else.")
    return RuleImport.objects.create(
        user=user,
        by=by,
        reason=reason.strip(),
        name=_plain(name),
        size=len(content),
        content=content,
        at_once=at_once,
        created_at=now,
        updated_at=now,
    )


def is_small(held: RuleImport) -> bool:
    """Whether it is done while its user waits; others are the cluster's."""
    return held.size <= SMALL_FILE


def check_import(*, import_id: UUID, now: datetime) -> RuleImport:
    """Looks at what the file would do, and keeps the report; changes no rule.

    Then it waits to be confirmed, or is refused where anything in it is wrong. Nothing happens
    where it is not to be checked, or where another is at it.
    """
    with _step(import_id, States.CHECKING, now) as begun:
        if begun is not None:
            with _progress(begun) as progress, suppress(_Ended):
                _keep(begun, _report(begun, now, unlisted, progress), now)
    return _told().get(pk=import_id)


def confirm_import(*, user: User, import_id: UUID, now: datetime) -> bool:
    """Says that what the report tells is meant; apply_import does it. True the first time.

    Raises RuleImport.DoesNotExist for another's, ImportRefused where there is nothing to confirm.
    """
    held = owned_import(user=user, import_id=import_id)
    if held.state in (States.APPLYING, States.DONE):
        return False
    if _moved(import_id, States.CHECKED, States.APPLYING, now, attempts=0, progress=0):
        return True
    held.refresh_from_db(fields=["state"])
    if held.state in (States.APPLYING, States.DONE):
        return False
    raise ImportRefused(f"There is nothing to confirm: {held.get_state_display().lower()}.")


def apply_import(*, import_id: UUID, now: datetime) -> RuleImport:
    """Does what was confirmed, all of it or nothing, in one transaction.

    Where rules have changed meanwhile, so that it would do something else than the report says, it
    does nothing, and waits to be confirmed with a new report.
    """
    with _step(import_id, States.APPLYING, now) as begun:
        if begun is not None:
            with _progress(begun) as progress:
                try:
                    _apply(begun, now, progress)
                except _Ended:
                    pass
                except (_Outdated, IntegrityError) as error:
                    if isinstance(error, IntegrityError) and NAMED_ONCE not in str(error):
                        raise
                    _check_anew(begun, now)
                except OperationalError as error:
                    if not is_disturbance(error):
                        raise
                    # It is still to be applied, and the cluster goes on with it in a minute.
    held = _told().get(pk=import_id)
    return check_import(import_id=import_id, now=now) if held.state == States.CHECKING else held


def cancel_import(*, user: User, import_id: UUID, now: datetime) -> None:
    """Ends the import; nothing of it is done. Raises ImportRefused where it has ended already."""
    owned_import(user=user, import_id=import_id)
    unended = (States.CHECKING, States.CHECKED, States.APPLYING)
    if not any(_end(import_id, state, States.CANCELLED, now) for state in unended):
        held = owned_import(user=user, import_id=import_id)
        raise ImportRefused(f"It cannot be cancelled: {held.get_state_display().lower()}.")


def go_through(*, import_id: UUID, now: datetime) -> RuleImport:
    """Looks at the file, or applies it, as it stands: until somebody must decide, or it is done."""
    held = check_import(import_id=import_id, now=now)
    return apply_import(import_id=import_id, now=now) if held.state == States.APPLYING else held


def unended_imports() -> list[UUID]:
    """Those that somebody must go on with, the oldest first: perhaps somebody is at them."""
    at_work = RuleImport.objects.filter(state__in=[States.CHECKING, States.APPLYING])
    return list(at_work.order_by("created_at").values_list("pk", flat=True))


def prune_imports(*, now: datetime, keep: timedelta) -> int:
    """Forgets old imports, and gives up those that nobody has confirmed. Returns how many."""
    waiting = RuleImport.objects.filter(state=States.CHECKED, updated_at__lt=now - CONFIRM_WITHIN)
    note = "Nobody has confirmed it within a day."
    waiting.update(state=States.CANCELLED, content=None, note=note, updated_at=now)
    ended = RuleImport.objects.filter(content=None, updated_at__lt=now - keep)
    return ended.delete()[0]


# --- The steps ---


def _apply(begun: RuleImport, now: datetime, progress: Progress) -> None:
    user, who = begun.user, begun.by or begun.user
    why = f"Imported by support: {begun.reason}" if begun.by else "Imported."
    with transaction.atomic():
        lock_rules(user=user, ids=begun.edits)
        store = Store(user=user, why=why, by=who, now=now)
        report = _report(begun, now, admit, progress, store.write)
        if report.digest != begun.digest:
            raise _Outdated
        store.finish()
        if not _end(begun.pk, States.APPLYING, States.DONE, now):
            raise _Ended


def _report(
    begun: RuleImport,
    now: datetime,
    admits: Admits,
    progress: Progress,
    write: Callable[[list[Verdict]], object] | None = None,
) -> Report:
    """What comes of each line; written as well where `write` says so."""
    report = Report(begun.user.zone)
    check = Check(
        user=begun.user,
        now=now,
        admits=admits,
        primary=_primary(begun.user, opens=write is not None),
        makes=write is not None,
        who="support" if begun.by_id else "you",
    )
    assert begun.content is not None, "a file is kept until its import has ended"  # noqa: S101
    for verdicts in check.verdicts(_readable(bytes(begun.content))):
        report.add(verdicts)
        progress(report.rules)
        if write is not None:
            if report.counts[Outcome.ERROR]:
                raise _Outdated
            write(list(verdicts))
        if report.is_full:
            break
    return report


def _primary(user: User, *, opens: bool) -> Callable[[], Portfolio | None]:
    """The user's primary portfolio, asked for once; opened where there is none, if `opens`."""
    found: list[Portfolio | None] = []

    def primary() -> Portfolio | None:
        if not found:
            existing = Portfolio.objects.filter(user=user, is_primary=True).first()
            found.append(existing or (primary_portfolio(user=user) if opens else None))
        return found[0]

    return primary


def _readable(content: bytes) -> Iterator[Record]:
    """The rules of the file; what cannot be read is the last of them."""
    try:
        for count, record in enumerate(records_of(content), start=1):
            if count > MOST_RULES:
                words = f"There are more than {MOST_RULES:,} rules in the file. Split it."
                raise Unreadable(Fault(record.line, "", words))
            yield record
    except Unreadable as unreadable:
        for fault in unreadable.faults:
            yield Record(fault.line, {}, [fault])


def _keep(begun: RuleImport, report: Report, now: datetime) -> None:
    found = {
        "rules": report.rules,
        "counts": dict(report.counts),
        "shown": report.shown(),
        "report": report.packed(),
        "digest": report.digest,
        "edits": report.edits,
    }
    if report.counts[Outcome.ERROR]:
        more = " More lines were not looked at." if report.is_full else ""
        note = f"Nothing was changed.{more} Mend the file, and import it again."
        _end(begun.pk, States.CHECKING, States.REFUSED, now, note=note, **found)
    else:
        after = States.APPLYING if begun.at_once else States.CHECKED
        found |= {"note": begun.note, "attempts": 0, "progress": 0}
        _moved(begun.pk, States.CHECKING, after, now, **found)


def _check_anew(begun: RuleImport, now: datetime) -> None:
    note = "Your rules have changed since you saw the report. Nothing was done: look at it again."
    _moved(begun.pk, States.APPLYING, States.CHECKING, now, note=note, attempts=0, progress=0)


# --- Its state ---


def _told() -> QuerySet[RuleImport]:
    return RuleImport.objects.select_related("user", "by").defer("content", "report", "edits")


def _moved(import_id: UUID, before: str, after: str, now: datetime, **found: object) -> bool:
    """Changes the state, and what is `found`, if it is still as it was `before`."""
    held = RuleImport.objects.filter(pk=import_id, state=before)
    return bool(held.update(state=after, updated_at=now, **found))


def _end(import_id: UUID, before: str, after: str, now: datetime, **found: object) -> bool:
    """As `_moved`, for good: the file is removed."""
    return _moved(import_id, before, after, now, content=None, **found)


@contextmanager
def _step(import_id: UUID, state: str, now: datetime) -> Iterator[RuleImport | None]:
    """The import, if it is to go through this step now, and nobody else is at it."""
    with session_lock(import_id.int >> 65) as held:
        if not held:
            yield None
            return
        attempts = RuleImport.objects.filter(pk=import_id, state=state)
        attempts.update(attempts=F("attempts") + 1)
        begun = RuleImport.objects.select_related("user", "by").filter(pk=import_id, state=state)
        yield _unless_hopeless(begun.first(), state, now)


def _unless_hopeless(begun: RuleImport | None, state: str, now: datetime) -> RuleImport | None:
    if begun is None or begun.attempts <= MOST_ATTEMPTS:
        return begun
    note = (
        f"It was begun {MOST_ATTEMPTS} times and never came to an end. Nothing was changed. "
        "Import the file in smaller parts."
    )
    _end(begun.pk, state, States.FAILED, now, note=note)
    return None


@contextmanager
def _progress(begun: RuleImport) -> Iterator[Progress]:
    """Tells how far it is, past the transaction that does it, and hears whether it is cancelled.

    A small file is done before anybody could ask.
    """
    if is_small(begun):
        yield lambda done: None
        return
    beside = connection.copy()

    def tell(done: int) -> None:
        with beside.cursor() as cursor:
            cursor.execute(
                "UPDATE rule_imports SET progress = %s WHERE id = %s AND state = %s",
                [done, begun.pk, begun.state],
            )
            if not cursor.rowcount:
                raise _Ended

    with closing(beside):
        yield tell


def _plain(name: str) -> str:
    """A file's name as it is kept: as much of it as can be shown."""
    return "".join(character for character in name if character.isprintable())[:LONGEST_NAME]
