"""Progress is shown on stderr, in place on a terminal."""

import io

import pytest
from support.mixed_tables import orders

from skdsm.command.modelling import build_model, fit_model
from skdsm.command.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_fit_counts_its_stages_in_place(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    progress = Progress()
    with progress.step("fitting"):
        model = fit_model(build_model(False, None, 0), orders(100), progress, [])
    *shown, last = terminal.getvalue().split("\r\x1b[K")
    assert shown[1] == "fitting ..."
    stages = len(model[-1].stage_ends_)
    assert [line.split(",")[0] for line in shown[2:]] == [
        f"fitting ... {k} stages" for k in range(1, stages + 1)
    ]
    assert last.startswith("fitting: ")
    assert last.endswith(" s\n")


def test_an_error_has_a_line_of_its_own(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(ValueError), Progress().step("fitting"):
        raise ValueError
    assert terminal.getvalue().endswith("\r\x1b[K")
