"""The ranking as a CSV file, and as text on a terminal."""

import csv
import re

from skdsm.command.reading import unique_names

__all__ = ["harmless", "printable", "ranking_text", "write_ranking"]

# What spreadsheets take for a formula; a number is not one.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,\u00a0\u202f ]*|\.\d+)(?:[eE][+-]?\d+)?\s*%?")
_LONGEST = 40  # characters of a cell on a terminal


def harmless(cell):
    """A cell that a spreadsheet shows and does not run: text gets a quote in front."""
    if _FORMULA.match(cell) or cell[:1] in "\t\r\n" and cell:
        return cell if _NUMBER.fullmatch(cell.strip()) else f"'{cell}"
    return cell


def printable(cell):
    """A cell on a terminal: in one line, not too long, without control characters."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in cell)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\u2026"


def write_ranking(file, ranked, cells, reasons):
    """Write all rows, the most unusual first, with what was in them.

    reasons has a list of `Reason` per explained row, in the order of the ranking.
    """
    has_p = ranked.p_values is not None
    own = ["rank", "row", "anomaly_score", *["p_value"] * has_p, "unusual", "columns"]
    names = [*own, *unique_names(cells.columns, taken=own)]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([harmless(name) for name in names])
    columns = [cells[name].to_numpy() for name in cells]
    is_unusual = ranked.is_unusual
    for rank, position in enumerate(ranked.order):
        blamed = reasons[rank] if rank < len(reasons) else []
        writer.writerow(
            [
                rank + 1,
                position + 1,
                f"{ranked.anomaly_score[position]:.6g}",
                *([f"{ranked.p_values[position]:.4g}"] if has_p else []),
                "yes" if is_unusual[position] else "no",
                harmless("; ".join(f"{r.column} {r.share:.0%}" for r in blamed)),
                *[harmless(column[position]) for column in columns],
            ]
        )


def ranking_text(ranked, reasons):
    """The most unusual rows, with the columns to blame."""
    lines = []
    for rank, (position, blamed) in enumerate(zip(ranked.order, reasons, strict=False)):
        score = f"anomaly score {ranked.anomaly_score[position]:.4g}"
        if ranked.p_values is not None:
            score += f", p-value {ranked.p_values[position]:.2g}"
        mark = "" if ranked.is_unusual[position] else ", below the threshold"
        lines.append(f"{rank + 1:3}. row {position + 1}: {score}{mark}")
        cells = [f"{printable(r.column)} = {printable(r.cell)}" for r in blamed]
        width = max(map(len, cells), default=0)
        lines += [
            f"     {r.share:4.0%}  {cell:{width}}  usually {printable(r.typical)}"
            for r, cell in zip(blamed, cells, strict=True)
        ]
    return "\n".join(lines)
