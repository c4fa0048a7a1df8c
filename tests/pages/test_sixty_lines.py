"""The example in sixty lines has no more, and its loss and gradient are skdsm's."""

import ast
import io
import runpy
import tokenize
from pathlib import Path

import matplotlib
import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "paper" / "plot_in_sixty_lines.py"
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@pytest.fixture(scope="module")
def ran():
    matplotlib.use("agg")
    return runpy.run_path(str(EXAMPLE))


def test_it_has_sixty_lines_of_code():
    source = EXAMPLE.read_text()
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    docstring = ast.parse(source).body[0]
    lines -= set(range(docstring.lineno, docstring.end_lineno + 1))
    assert len(lines) <= 60


def test_the_method_needs_numpy_and_scipy_alone():
    method, comparison = EXAMPLE.read_text().split("# The same from skdsm\n")
    imports = [
        node for node in ast.parse(method).body if isinstance(node, ast.ImportFrom)
    ]
    assert {node.module.split(".")[0] for node in imports} == {"scipy"}
    assert "skdsm" not in method.split('"""')[2]
    assert "from skdsm import" in comparison


def test_loss_and_gradient_are_those_of_skdsm(ran):
    assert ran["J"] == pytest.approx(ran["loss"], rel=1e-12)
    gradient = ran["gradient"].pack()[: -ran["m"]]
    np.testing.assert_allclose(ran["J_theta"], gradient, rtol=0, atol=1e-12)
    assert np.max(np.abs(gradient)) > 0.1  # not at a minimum, where all would agree


def test_the_gradient_is_the_derivative_of_the_loss(ran):
    rng = np.random.default_rng(0)
    theta = ran["start"]
    x, x_tilde = ran["x_clean"][::50], ran["x_tilde"][::50]
    direction = rng.standard_normal(len(theta))
    step = 1e-5 * direction
    up, down = (ran["J_DSM"](theta + s, x, x_tilde)[0] for s in (step, -step))
    slope = ran["J_DSM"](theta, x, x_tilde)[1] @ direction
    assert (up - down) / 2e-5 == pytest.approx(slope, rel=1e-6)


def test_the_planted_rows_come_first(ran):
    assert set(ran["ranking"][:6]) == set(range(6))
