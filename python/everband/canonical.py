"""JSON as core/record.ts writes it: keys sorted, one space a level, numbers as ECMAScript prints them."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any) -> str:
    return _text(value, "\n") + "\n"


def _text(value: Any, indent: str) -> str:
    inner = indent + " "
    if isinstance(value, dict):
        # JavaScript compares strings by their UTF-16 code units.
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return _block("{}", [f"{_leaf(name)}: {_text(value[name], inner)}" for name in names], indent)
    if isinstance(value, (list, tuple)):
        return _block("[]", [_text(item, inner) for item in value], indent)
    return _leaf(value)


def _block(brackets: str, items: list[str], indent: str) -> str:
    if not items:
        return brackets
    inner = indent + " "
    return brackets[0] + inner + ("," + inner).join(items) + indent + brackets[1]


def _leaf(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(float(value))
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """Both languages print the shortest digits that give the same number, but not in the same form."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    #: The number is 0.<digits> times ten to the power of this.
    point = len(whole.lstrip("0")) + int(exponent or 0)
    if whole.strip("0") == "":
        point -= len(fraction) - len(fraction.lstrip("0"))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    tail = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + tail
