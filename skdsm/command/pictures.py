"""Pictures of the report, as SVG whose colours the page sets."""

import io
import re
import warnings

import numpy as np

__all__ = ["draw_samples", "draw_scores"]

_MOST_COLUMNS = 3
_MOST_DOTS = 400
# Of skdsm.display, by the name of the page's colour.
_COLOURS = {
    "#0072b2": "var(--data)",
    "#d55e00": "var(--alarm)",
    "#e5e5e5": "var(--track)",
    "#e6e6e6": "var(--track)",
    "#000000": "currentColor",
}


def draw_scores(anomaly_score):
    """Distribution of anomaly scores (n,), and the threshold at zero."""
    from skdsm.display import ScoreDistributionDisplay

    def draw(figure):
        ax = figure.subplots()
        ScoreDistributionDisplay.from_predictions(
            None, -anomaly_score, threshold=0, name="score", ax=ax
        )
        ax.set(yscale="log", ylabel="share of all rows (logarithmic)")
        # anomaly scores are high for unusual rows
        ax.set_xlabel("anomaly score")
        ax.invert_xaxis()
        ax.xaxis.set_major_formatter(lambda score, _: f"{0 - score:g}")

    return _svg(draw, (5.2, 3.6), "scores")


def draw_samples(encoder, matcher, table, columns, seed):
    """Samples of the model beside the data, of the first few number columns of a list.

    Without such columns, None.
    """
    from skdsm.display import SamplesDisplay

    shown = [c for c in columns if encoder.kinds_[c] in ("number", "amount")]
    shown = shown[:_MOST_COLUMNS]
    if not shown:
        return None
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(table))[:_MOST_DOTS]
    # both decoded, so that codes are missing in both
    data = encoder.inverse_transform(encoder.transform(table.iloc[kept]))[shown]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the picture shows it if they are far away
        drawn = matcher.sample(_MOST_DOTS, random_state=seed)
    samples = encoder.inverse_transform(drawn)[shown]
    names = {c: c.replace("$", r"\$") for c in shown}  # no mathematics
    for column in shown:
        if encoder.kinds_[column] == "amount":
            least = data[column][data[column] > 0].min()
            for frame in (data, samples):
                frame[column] = np.log10(frame[column].clip(lower=least))
            names[column] = f"log10 {names[column]}"
    data = data.dropna().rename(columns=names)

    def draw(figure):
        SamplesDisplay.from_samples(
            data, samples.rename(columns=names), ax=figure.subplots()
        )

    side = 1.4 + 1.5 * len(shown)
    return _svg(draw, (side, side), "samples") if len(data) else None


def _svg(draw, size, name):
    """What a function draws on a figure, as an SVG element."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style = {
        "svg.fonttype": "none",  # text stays text, in the page's font
        "svg.hashsalt": name,
        "font.size": 11,
        "font.family": "sans-serif",
    }
    with rc_context(style), io.StringIO() as file:
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        for ax in figure.axes:
            ax.set_facecolor("none")
        metadata = {"Date": None, "Creator": None}
        figure.savefig(file, format="svg", transparent=True, metadata=metadata)
        svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, by_name in _COLOURS.items():
        svg = svg.replace(colour, by_name)
    # text has no colour of its own, and would be black
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    width = int(size[0] * 110)
    return svg.replace(
        "<svg", f'<svg style="max-width: {width}px" fill="currentColor"', 1
    )
