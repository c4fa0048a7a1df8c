"""The drawing of the packages is made from the contracts and the imports."""

import runpy
from pathlib import Path

DOC = Path(__file__).parents[2] / "doc"


def test_every_part_has_a_box_and_arrows_point_down():
    draw = runpy.run_path(str(DOC / "draw_architecture.py"))
    places = draw["places"]()
    assert sorted(places) == sorted(name for row in draw["layers"]() for name in row)
    assert draw["drawing"]().count("<rect") == len(places)
    assert all(places[a][1] < places[b][1] for a, b in draw["arrows"]())
