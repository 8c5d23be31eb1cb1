"""Messages to people: who is told what, when, and only once. What is due is decided here; how it is sent, in `config`."""

from bascule.notices.due import LATEST_NEWS, EndedRun, KeptOut, Matter, Notice, Topic, due
from bascule.notices.hearers import Hearers
from bascule.notices.outbox import Due, NotDelivered, Outbox, Posted
from bascule.notices.quiet import QuietHours
from bascule.notices.wording import Message, worded

__all__ = [
    "LATEST_NEWS",
    "Due",
    "EndedRun",
    "Hearers",
    "KeptOut",
    "Matter",
    "Message",
    "NotDelivered",
    "Notice",
    "Outbox",
    "Posted",
    "QuietHours",
    "Topic",
    "due",
    "worded",
]
