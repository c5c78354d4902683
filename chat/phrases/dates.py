"""Days by their place in the calendar, as seen from an instant. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from market.hours import TradingCalendar


@dataclass(frozen=True, slots=True)
class Unclear:
    """A day that could be several, or is none: the question to ask."""

    question: str


class Dates:
    """Reads days relative to an instant, in a zone."""

    def __init__(self, now: datetime, zone: ZoneInfo, calendar: TradingCalendar) -> None:
        self.now = now
        self.zone = zone
        self.calendar = calendar
        self.today = now.astimezone(zone).date()

    def weekday(self, number: int) -> date:
        """The next such day: today counts while its session is not over."""
        ahead = (number - self.today.weekday()) % 7
        if ahead == 0 and self.is_over(self.today):
            ahead = 7
        return self.today + timedelta(days=ahead)

    def is_over(self, day: date) -> bool:
        return self.calendar.last_close_until(day) <= self.now

    def end_of(self, unit: str) -> date:
        if unit == "day":
            return self.today
        if unit == "week":
            return self.today + timedelta(days=6 - self.today.weekday())
        months = {"month": 1, "quarter": 3, "year": 12}[unit]
        return last_day(self.today.year, -(-self.today.month // months) * months)

    def month_end(self, month: int, year: int | None) -> date:
        if year is None:
            year = self.today.year + (month < self.today.month)
        return last_day(year, month)

    def day_of_month(self, day: int) -> date | Unclear:
        """The next such day: in this month, or in one of the next."""
        for ahead in range(3):
            month = self.today.month - 1 + ahead
            found = a_date(self.today.year + month // 12, month % 12 + 1, day)
            if isinstance(found, date) and found >= self.today:
                return found
        return Unclear(f"There is no {day}th of a month. Which day do you mean?")

    def day_and_month(self, day: int, month: int, year: int | None) -> date | Unclear:
        if year is not None:
            return a_date(year if year > 99 else 2000 + year, month, day)
        found = a_date(self.today.year, month, day)
        if isinstance(found, date) and found < self.today:
            return a_date(self.today.year + 1, month, day)
        return found


def a_date(year: int, month: int, day: int) -> date | Unclear:
    try:
        return date(year, month, day)
    except ValueError:
        return Unclear(f"{year}-{month:02d}-{day:02d} is not a day. Which day do you mean?")


def last_day(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
