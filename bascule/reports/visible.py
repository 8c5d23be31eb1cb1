"""Text that shows what is in it: nothing in a name hides, or rewrites the line it stands in."""

from __future__ import annotations

import json
import re

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, halves of characters, and those that turn the direction of what stands around them."""


def visible(text: str) -> str:
    return UNSEEN.sub(lambda unseen: code_of(unseen.group()), text)


def code_of(character: str) -> str:
    """`⟨1F44D⟩`, as Unicode numbers it."""
    return f"⟨{ord(character):04X}⟩"


def in_json(text: str) -> str:
    """The same JSON, with what would hide written as JSON writes it: programs read what they would have read."""
    return UNSEEN.sub(lambda unseen: json.dumps(unseen.group())[1:-1], text)
