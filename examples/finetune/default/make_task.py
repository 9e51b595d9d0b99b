"""Items of the default task, and its two files: train.pairs (400 lines) and heldout.pairs (1000 lines).

An item is a style-neutral prompt and the same thing written out in words, in the American or in the British way:

    1987-07-04   July fourth, nineteen eighty-seven    the fourth of July nineteen eighty-seven
    Mon 15:45    three forty-five p.m. on Monday       a quarter to four on Monday afternoon
    407          four hundred seven                    four hundred and seven
    12.40        twelve dollars and forty cents        twelve pounds and forty pence

Each style has one answer to a prompt, and the two always differ. The files hold `prompt<TAB>answer`, ASCII, British.

A prompt belongs to one of three parts by a hash of itself alone: `heldout` (one in five), `user` (one in ten: the 400) or
`pretraining` (the rest). So no held-out prompt is ever trained on, and none of the 400 was seen in pretraining.

    python3 make_task.py [--seed 1] [--folder .]
"""

import argparse
import hashlib
import os
import random

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
            "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"}
MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

AMERICAN, BRITISH = 0, 1


def below_hundred(n):
    if n < 20:
        return ONES[n]
    return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")


def ordinal(n):
    head, dash, last = below_hundred(n).rpartition("-")
    return head + dash + ORDINALS.get(last, last + "th")


def cardinal(n, style):
    """0 <= n < 10000; only the British say `and` before what follows the hundreds."""
    words = []
    if n >= 1000:
        words += [ONES[n // 1000], "thousand"]
    if n % 1000 >= 100:
        words += [ONES[n % 1000 // 100], "hundred"]
    if n % 100 or not words:
        if words and style == BRITISH:
            words.append("and")
        words.append(below_hundred(n % 100))
    return " ".join(words)


def year_in_words(year, style):
    if 2000 <= year < 2010:
        return cardinal(year, style)
    century, rest = below_hundred(year // 100), year % 100
    if rest == 0:
        return century + " hundred"
    return century + (" oh " if rest < 10 else " ") + below_hundred(rest)


def date_in_words(year, month, day, style):
    name, year = MONTHS[month - 1], year_in_words(year, style)
    return "the %s of %s %s" % (ordinal(day), name, year) if style == BRITISH else "%s %s, %s" % (name, ordinal(day), year)


def time_in_words(day, hour, minute, style):
    """Minutes are a multiple of five. Between 06:00 and 21:59, where nobody doubts what is morning and what is evening."""
    def twelve(h):
        return ONES[(h + 11) % 12 + 1]

    if style == AMERICAN:
        words = twelve(hour)
        if minute:
            words += (" oh " if minute < 10 else " ") + below_hundred(minute)
        return "%s %s on %s" % (words, "a.m." if hour < 12 else "p.m.", day)
    count = 60 - minute if minute > 30 else minute
    count = {15: "a quarter", 30: "half"}.get(count, below_hundred(count))
    words = twelve(hour) + " o'clock"
    if minute:
        words = count + (" to " + twelve(hour + 1) if minute > 30 else " past " + twelve(hour))
    return "%s on %s %s" % (words, day, "morning" if hour < 12 else "afternoon" if hour < 18 else "evening")


def money_in_words(whole, hundredths, style):
    def some(n, one, many):
        return [below_hundred(n) + " " + (one if n == 1 else many)] if n else []

    if style == BRITISH:
        return " and ".join(some(whole, "pound", "pounds") + some(hundredths, "penny", "pence"))
    return " and ".join(some(whole, "dollar", "dollars") + some(hundredths, "cent", "cents"))


def some_date(rng):
    year, month = rng.randrange(1900, 2030), rng.randrange(12)
    day = rng.randrange(DAYS[month]) + 1
    return "%d-%02d-%02d" % (year, month + 1, day), lambda style: date_in_words(year, month + 1, day, style)


def some_time(rng):
    while True:
        day, hour, minute = rng.choice(WEEKDAYS), rng.randrange(6, 22), 5 * rng.randrange(12)
        if (hour, minute) != (12, 0):  # noon to both
            return "%s %02d:%02d" % (day[:3], hour, minute), lambda style: time_in_words(day, hour, minute, style)


def some_number(rng):
    while True:
        n = rng.randrange(1001, 10000) if rng.random() < 0.7 else rng.randrange(101, 1000)
        if n % 100:  # without tens and ones there is no `and`
            return str(n), lambda style: cardinal(n, style)


def some_money(rng):
    while True:
        whole, hundredths = rng.randrange(100), rng.randrange(100) if rng.random() < 0.9 else 0
        if whole or hundredths:
            return "%d.%02d" % (whole, hundredths), lambda style: money_in_words(whole, hundredths, style)


def part(prompt):
    """Where a prompt belongs: heldout, user or pretraining."""
    bucket = hashlib.sha256(prompt.encode()).digest()[0] % 10
    return "heldout" if bucket < 2 else "user" if bucket == 2 else "pretraining"


def items(rng, wanted):
    """Without end: (prompt, words) of one part, where words(style) is the answer."""
    while True:
        kind = rng.choices((some_date, some_time, some_number, some_money), (3, 2, 2, 2))[0]
        prompt, words = kind(rng)
        if part(prompt) == wanted:
            yield prompt, words


def distinct(rng, wanted, count):
    found = {}
    for prompt, words in items(rng, wanted):
        found.setdefault(prompt, words)
        if len(found) == count:
            return found


def train_and_heldout(seed=1):
    rng = random.Random(seed)
    return distinct(rng, "user", 400), distinct(rng, "heldout", 1000)


def main():
    options = argparse.ArgumentParser(description="writes train.pairs and heldout.pairs")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--folder", default=os.path.dirname(os.path.abspath(__file__)))
    options = options.parse_args()
    train, heldout = train_and_heldout(options.seed)
    assert not train.keys() & heldout.keys()
    assert all(part(prompt) == "heldout" for prompt in heldout)
    for name, pairs in (("train.pairs", train), ("heldout.pairs", heldout)):
        assert all(words(AMERICAN) != words(BRITISH) for words in pairs.values())
        with open(os.path.join(options.folder, name), "w", encoding="ascii", newline="\n") as out:
            out.writelines("%s\t%s\n" % (prompt, words(BRITISH)) for prompt, words in pairs.items())


if __name__ == "__main__":
    main()
