"""The bench: each row measures something and says beside what; never how fast it must be."""

import json

import pytest

from kit.__main__ import main
from kit.commands import measures
from kit.commands.bench import ROWS, line


def test_a_row_is_measured_and_told(capsys):
    assert main(["bench", "--json", "boot-memory"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)
    assert 0 < figures["value"] and figures["limit"] == 64 and "262,144 frames" in figures["beside"]


def test_a_miss_is_printed_as_one():
    figures = {"name": "churn", "value": 21.0, "limit": 20, "unit": "pairs", "beside": ""}
    assert "MISS" in line(figures) and "ok" in line({**figures, "value": 19.0})


def test_an_unknown_row_is_answered_with_those_that_exist(capsys):
    assert main(["bench", "warp"]) == 2
    said = capsys.readouterr().err
    assert all(row.name in said for row in ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_gives_a_figure(row, monkeypatch):
    monkeypatch.setattr(measures, "ROUNDS", 1)
    figures = row.figures()
    assert "left out" in figures or isinstance(figures["value"], float) and figures["beside"]
