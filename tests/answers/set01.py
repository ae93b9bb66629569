"""Set 01, Pages."""

from answers import changed

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
}

# (exercise, what changed): why it is the same answer.
EQUIVALENT = {
    ("01-take", "return None -> pass"): "a function that comes to its end returns None",
}
