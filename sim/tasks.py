"""Tasks: as the world knows them, and as Todoist's API would show them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

DAY = 86_400_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A task as it comes into being; nothing a policy does can change it."""

    task_id: str
    project: str
    priority: int  # Todoist's API: 4 is urgent
    added_at: int  # microseconds
    due: datetime | None  # local wall time
    due_kind: str  # "date", "floating" or "fixed"
    period_days: int  # 0: does not recur
    effort: float
    leaves_at: int  # got done without a tip, or was deleted


class Task:
    """An open task: its arrival, and what has happened to it since."""

    __slots__ = ("arrival", "completed_at", "due", "due_at", "raw", "shown", "zone")

    def __init__(self, arrival: Arrival, zone: ZoneInfo) -> None:
        self.arrival = arrival
        self.zone = zone
        self.due = arrival.due
        self.completed_at: int | None = None
        self.shown = 0  # tips
        self._changed()

    def complete(self, at: int) -> bool:
        """Done at `at`: a recurring task stays, due anew; says whether it leaves the list."""
        if not self.arrival.period_days:
            return True
        today = moment(at).astimezone(self.zone).replace(tzinfo=None)
        due = self.due or today
        while due <= today:
            due += timedelta(days=self.arrival.period_days)
        self.due, self.completed_at, self.shown = due, at, 0
        self._changed()
        return False

    def _changed(self) -> None:
        a = self.arrival
        self.due_at = None if self.due is None else self._instant(self.due)
        self.raw: dict[str, Any] = {
            "id": a.task_id,
            "content": f"{a.project} {a.task_id.rpartition('-')[2]}",
            "project_id": a.project,
            "priority": a.priority,
            "added_at": iso(a.added_at),
            "due": self._due(),
        }
        if self.completed_at is not None:
            self.raw["last_completed_at"] = iso(self.completed_at)

    def _instant(self, due: datetime) -> int:
        if self.arrival.due_kind == "date":  # the whole local day is left
            due = datetime.combine(due.date() + timedelta(days=1), datetime.min.time())
        return micros(due.replace(tzinfo=self.zone))

    def _due(self) -> dict[str, Any] | None:
        if self.due is None:
            return None
        recurs = bool(self.arrival.period_days)
        kind = self.arrival.due_kind
        if kind == "date":
            return {"date": self.due.date().isoformat(), "is_recurring": recurs}
        if kind == "floating":
            return {"date": self.due.isoformat(), "is_recurring": recurs}
        fixed = self.due.replace(tzinfo=self.zone).astimezone(UTC)
        text = fixed.replace(tzinfo=None).isoformat() + "Z"
        return {"date": text, "timezone": self.zone.key, "is_recurring": recurs}


def micros(when: datetime) -> int:
    """An aware datetime as microseconds since 1970."""
    return (when - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """Microseconds since 1970 as a datetime in UTC."""
    return EPOCH + timedelta(microseconds=at)


def iso(at: int) -> str:
    """As Todoist writes instants."""
    return moment(at).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
