"""Set 01, Pages."""

from answers import changed

MERGED = "page, order = min(page, buddy), order + 1"
HUNT = """
hunt = {{
    "ash": "take 0, take 0, take 0, put 1, put 2, take 1",
    "elm": "{elm}",
    "fir": {fir},
    "oak": {oak},
    "pine": "take 0, take 0, take 0, put 0, put 2, take 1",
    "yew": "take 0, take 0, put 0, put 1, take 3",
}}
"""
FOUND = {"elm": "take 0, put 0, take 3", "fir": '"take 0, take 1, take 1, put 0, put 4, take 2, take 0"', "oak": "None"}

WRONG = {
    "01-siblings": {
        "next door": """
def siblings(page, order):
    return [page + 3 ** order, page + 2 * 3 ** order]
""",
        "pairs": """
def siblings(page, order):
    return [page ^ (1 << order)]
""",
        "itself": changed("01-siblings", (" if part != page", "")),
    },
    "01-freed": {
        "as a published key": changed("01-freed", ("[(8, 8), (24, 8)]", "[(16, 16)]")),
        "lost": changed("01-freed", ("[(8, 2), (12, 4), (24, 8)]", "[(8, 2), (12, 4)]")),
        "ends too soon": changed("01-freed", ("[(8, 8), (24, 8)]", "[(8, 4), (12, 4), (24, 8)]")),
    },
    "01-take": {
        "lost half": changed("01-take", ("free[found].append(page + 2 ** found)", "pass")),
        "upper half": changed("01-take", ("free[found].append(page + 2 ** found)",
                                          "free[found].append(page); page += 2 ** found")),
        "exact only": """
def take(free, order):
    if free[order]:
        return free[order].pop()
    return None
""",
        "other size": changed("01-take", ("reverse=True", "reverse=False")),
    },
    "01-put": {
        "buddy left": changed("01-put", ("free[order].remove(buddy)", "pass")),
        "pages lost": changed("01-put", ("break", "return")),
        "always merges": changed("01-put", (" and len(free[order + 1]) < 2", "")),
        "once": changed("01-put", (MERGED, MERGED + "; break")),
        "neighbour": changed("01-put", ("buddy = page ^ 2 ** order", "buddy = page + 2 ** order")),
    },
    "01-audit": {
        "last one wins": changed("01-audit", ("held = set()", "held, worst = set(), None"),
                                 ("return index", "worst = index"), ("return None", "return worst")),
        "alignment": changed("01-audit", ("4 - size + 1, size)", "4 - size + 1)")),
        "past the end": changed("01-audit", ("4 - size + 1, size)", "5, size)")),
        "None is never wrong": changed("01-audit", ("(starts or [None])", "[*starts, None]")),
        "only a sum": changed("01-audit", ("(starts or [None])", "(starts or [None] * (4 - len(held) < size))")),
        "first page only": changed("01-audit", ("range(start, start + size)", "[start]")),
    },
    "01-hunt": {
        "other is not broken": HUNT.format(**{**FOUND, "oak": '"take 0, take 0"'}),
        "taken for sound": HUNT.format(**{**FOUND, "fir": "None"}),
        "too many": HUNT.format(**{**FOUND, "elm": "take 0, take 0, put 0, put 1, take 3"}),
        "no mistake yet": HUNT.format(**{**FOUND, "elm": "take 0, take 3"}),
    },
}

# (exercise, what changed): why it is the same answer.
EQUIVALENT = {
    ("01-take", "return None -> pass"): "a function that comes to its end returns None",
    ("01-audit", "return None -> pass"): "the same",
}
