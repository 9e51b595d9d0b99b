"""A text of every Unicode block with odd spaces. tests/io_tokenizer_vectors.cpp makes the same one."""

BETWEEN = ["", "", "", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u2003", "\u3000", "\u200b",
           "\u0085", "\u1680", "\u2028", "\u180e", "\ufeff", "a", "B", "\u00e9", "7", "'s", "'S", ".", "\u0301",
           "\u2581", "ing"]


def made_text():
    state = 1

    def draw(count):
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        return (state >> 8) % count

    parts = []
    # In order: planes 0 to 3, tags and variation selectors, and the starts of the private planes.
    for first, end in [(1, 0xD800), (0xE000, 0x40000), (0xE0000, 0xE0200), (0xF0000, 0xF0010), (0x10FFF0, 0x110000)]:
        for c in range(first, end):
            parts += [chr(c), BETWEEN[draw(len(BETWEEN))]]
    # At random, so that characters of all kinds meet.
    for _ in range(100_000):
        c = draw(0x800) if draw(2) else draw(0x3200) if draw(2) else draw(0x1FB00)
        parts += [chr(c) if not 0xD800 <= c < 0xE000 and c else "x", BETWEEN[draw(len(BETWEEN))]]
    return "".join(parts)
