"""One page, complete in itself, that shows a ranking."""

from html import escape

import numpy as np

from skdsm import __version__
from skdsm.command.modelling import pipeline_of
from skdsm.command.pictures import draw_samples, draw_scores

__all__ = ["write_report"]

# No script runs and nothing is fetched, whatever the cells hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_SCORES_CAPTION = "Scores of all rows. Rows right of the threshold are unusual."
_SAMPLES_CAPTION = (
    "Rows that the model generates, beside the data, in columns with most of the "
    "blame. Where the two differ, the model does not know the data well."
)

_STYLE = """
:root { color-scheme: light dark; --page: #fbfbfa; --card: #fff; --text: #1c1e21;
  --faint: #5f6670; --line: #dfe2e6; --data: #0072b2; --alarm: #c65000;
  --track: #eceef0; }
@media (prefers-color-scheme: dark) {
  :root { --page: #15171a; --card: #1e2125; --text: #e8eaed; --faint: #a0a7b0;
    --line: #343940; --data: #56b4e9; --alarm: #ff9248; --track: #2c3036; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 70rem; line-height: 1.5;
  background: var(--page); color: var(--text);
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h1, h2, td, li, dt { overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem; }
p { margin: .3rem 0; max-width: 46rem; }
.faint { color: var(--faint); font-size: .9rem; }
.figures { display: flex; flex-wrap: wrap; gap: .6rem 2.2rem; margin: 1.2rem 0 0; }
.figures div { display: flex; flex-direction: column-reverse; }
.figures dt { color: var(--faint); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 600; }
.cards { display: grid; gap: .8rem; padding: 0; margin: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem 1rem; min-width: 0; }
.card h3 { margin: 0 0 .5rem; font-size: 1rem; display: flex; flex-wrap: wrap;
  justify-content: space-between; gap: 0 .8rem; }
.card h3 span { font-weight: 400; font-size: .85rem; color: var(--faint); }
.reason { margin: .55rem 0 0; }
.reason .words { display: flex; justify-content: space-between; gap: .8rem; }
.reason .words span:first-child { min-width: 0; overflow-wrap: anywhere; }
.reason .words span:last-child { white-space: nowrap; }
.bar { height: .4rem; border-radius: .2rem; background: var(--track); margin: .2rem 0; }
.bar div { height: 100%; border-radius: .2rem; background: var(--alarm); }
.pictures { display: grid; gap: 1.5rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--faint); font-size: .9rem; margin-top: .4rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit !important; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 500; }
.number { text-align: right; white-space: nowrap; }
@media (max-width: 36rem) {
  table, tbody, tr, td { display: block; }
  thead { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td { border: 0; padding: 0; } td.number { text-align: left; }
  td:first-child { font-weight: 600; }
  td:empty { display: none; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--faint); } }
"""


def write_report(file, parsed, model, table, ranked, reasons, notes):
    """Write the page.

    table is the DataFrame of the rows ranked, reasons has a list of `Reason` for each
    of the first rows, notes has lines of text.
    """
    pipeline = pipeline_of(model)
    encoder, matcher = pipeline[0], pipeline[-1]
    blame = ranked.contributions.sum().sort_values(ascending=False, kind="stable")
    scores = draw_scores(ranked.anomaly_score)
    samples = draw_samples(encoder, matcher, table, list(blame.index), parsed.seed)
    title = f"Unusual rows of {parsed.rows.name}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(_origin(parsed, model))}</p>',
        _figures(ranked, encoder),
        "<h2>The most unusual rows</h2>",
        '<p class="faint">Row 1 is the first row of data. A bar is the share of a '
        "column in the row's anomaly.</p>",
        _cards(ranked, reasons),
        "<h2>Scores and samples</h2>",
        '<div class="pictures">',
        _picture(scores, _SCORES_CAPTION),
        _picture(samples, _SAMPLES_CAPTION) if samples else "",
        "</div>",
        "<h2>Columns</h2>",
        _columns(encoder, table),
        "<h2>Notes</h2>" if notes else "",
        "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>",
        f'<p class="faint">Made by skdsm {escape(__version__)}.</p>',
    ]
    file.write(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    )
    file.write("\n".join(part for part in body if part))
    file.write("\n</body>\n</html>\n")


def _origin(parsed, model):
    """Where the model and the threshold come from."""
    if parsed.load:
        origin = f"The model is {parsed.load.name}."
    elif parsed.normal:
        origin = f"The model was fitted to {parsed.normal.name}, which has normal rows."
    else:
        origin = "The model was fitted to these rows, unusual ones among them."
    if hasattr(model, "alpha"):
        n = len(model.calibration_scores_)
        return (
            f"{origin} The threshold lets {model.alpha:g} of normal rows be false "
            f"alarms; {n:,} rows that the model was not fitted to determine it."
        )
    return (
        f"{origin} The threshold is the lower fence of a box plot of the scores of the "
        "rows of the fit."
    )


def _figures(ranked, encoder):
    count, n_rows = int(ranked.is_unusual.sum()), len(ranked.order)
    n_columns = len(encoder.kinds_), len(encoder.kinds_) + len(encoder.dropped_)
    figures = {
        "rows": f"{n_rows:,}",
        "unusual": f"{count:,} ({count / n_rows:.1%})",
        "columns used": f"{n_columns[0]} of {n_columns[1]}",
    }
    items = [f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in figures.items()]
    return f'<dl class="figures">{"".join(items)}</dl>'


def _cards(ranked, reasons):
    cards = []
    for rank, (position, blamed) in enumerate(zip(ranked.order, reasons, strict=False)):
        score = f"score {ranked.anomaly_score[position]:.4g}"
        if ranked.p_values is not None:
            score += f", p-value {ranked.p_values[position]:.2g}"
        if not ranked.is_unusual[position]:
            score += ", below threshold"
        parts = "".join(map(_reason, blamed))
        cards.append(
            f'<li class="card"><h3>{rank + 1}. Row {position + 1:,} '
            f"<span>{score}</span></h3>{parts}</li>"
        )
    return f'<ol class="cards">{"".join(cards)}</ol>'


def _reason(reason):
    share = f"{reason.share:.0%}"
    cell = reason.cell if len(reason.cell) < 200 else reason.cell[:199] + "\u2026"
    return (
        f'<div class="reason"><div class="words"><span>{escape(reason.column)} = '
        f"<b>{escape(cell)}</b></span><span>{share}</span></div>"
        f'<div class="bar"><div style="width: {share}"></div></div>'
        f'<div class="faint">usually {escape(reason.typical)}</div></div>'
    )


def _picture(svg, caption):
    label = escape(caption, quote=True)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _columns(encoder, table):
    rows = []
    for name in encoder.feature_names_in_:
        reason = encoder.dropped_.get(name)
        kind = encoder.kinds_.get(name, f"left out: {reason}")
        codes = encoder.sentinels_.get(name)
        if codes:
            kind += f"; {', '.join(map(str, codes))} read as missing"
        missing = np.mean(table[name].isna())
        typical = encoder.typical_.get(name, "")
        rows.append(
            f"<tr><td>{escape(name)}</td><td>{escape(kind)}</td>"
            f'<td class="number" data-label="missing">{missing:.1%}</td>'
            f'<td data-label="usually">{escape(typical)}</td></tr>'
        )
    heads = ["column", "kind", "missing", "usually"]
    head = "".join(
        f'<th class="{"number" if h == "missing" else ""}">{h}</th>' for h in heads
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
