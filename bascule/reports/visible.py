"""Text that shows what is in it: nothing in a name hides, or rewrites the line it stands in."""

from __future__ import annotations

import re

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, and those that turn the direction of what stands around them."""


def visible(text: str) -> str:
    return UNSEEN.sub(lambda unseen: code_of(unseen.group()), text)


def code_of(character: str) -> str:
    """`⟨1F44D⟩`, as Unicode numbers it."""
    return f"⟨{ord(character):04X}⟩"
