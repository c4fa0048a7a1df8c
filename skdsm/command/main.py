"""The command from start to end."""

import difflib
import os
import sys
from contextlib import contextmanager
from importlib.util import find_spec

from skdsm.command.arguments import parse_arguments
from skdsm.command.exceptions import CommandError
from skdsm.command.explaining import reasons_of
from skdsm.command.modelling import (
    build_model,
    fit_model,
    load_model,
    matched,
    notes_of,
    pipeline_of,
    rank_rows,
    save_model,
)
from skdsm.command.progress import Progress
from skdsm.command.reading import read_table
from skdsm.command.report import write_report
from skdsm.command.writing import ranking_text, write_ranking

__all__ = ["main"]

_NEEDED = ("pandas", "skops", "matplotlib")


def main(arguments=None):
    """Run a command line; the exit code is 0, or 2 with one line on stderr."""
    parsed = parse_arguments(arguments)
    try:
        missing = [package for package in _NEEDED if not find_spec(package)]
        if missing:
            raise CommandError(
                f"{' and '.join(missing)} cannot be imported: "
                "pip install 'skdsm[command]'"
            )
        _rank(parsed)
        sys.stdout.flush()
    except CommandError as error:
        print(f"skdsm rank: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("skdsm rank: interrupted", file=sys.stderr)
        return 130
    return 0


def _rank(parsed):
    outputs = _check_outputs(parsed)
    progress, notes = Progress(parsed.quiet), []
    if parsed.load:
        model = load_model(parsed.load, parsed.false_alarms, notes)
    else:
        model = build_model(bool(parsed.normal), parsed.false_alarms, parsed.seed)
    fitted_to = parsed.normal or parsed.rows
    if not parsed.load:
        with progress.step(f"reading {fitted_to}"):
            training = read_table(fitted_to)
        notes += training.notes
        table = _without(training.typed, parsed.drop, fitted_to)
        with progress.step(f"fitting to {len(table):,} rows, {table.shape[1]} columns"):
            fit_model(model, table, progress, notes)
    encoder = pipeline_of(model)[0]
    notes += notes_of(encoder)
    if parsed.load or parsed.normal:
        with progress.step(f"reading {parsed.rows}"):
            rows = read_table(parsed.rows, encoder.kinds_)
        notes += [note for note in rows.notes if note not in notes]
    else:
        rows = training
    typed = matched(model, rows.typed, parsed.rows)
    with progress.step(f"scoring {len(typed):,} rows"):
        ranked = rank_rows(model, typed, min(parsed.top, len(typed)))
    reasons = [
        reasons_of(contributions, rows.cells.iloc[position], encoder.typical_)
        for position, (_, contributions) in zip(
            ranked.order, ranked.contributions.iterrows(), strict=False
        )
    ]
    with _written(outputs["output"], parsed.force) as file:
        write_ranking(file, ranked, rows.cells, reasons)
    if parsed.save:
        with _written(outputs["save"], parsed.force, binary=True) as file:
            save_model(model, file)
    if parsed.report:
        with (
            progress.step("drawing the report"),
            _written(outputs["report"], parsed.force) as file,
        ):
            write_report(file, parsed, model, typed, ranked, reasons, notes)
    for note in notes:
        progress.note(note)
    print(_summary(ranked, parsed))
    print(ranking_text(ranked, reasons))
    print(f"written: {', '.join(str(path) for path in outputs.values())}")


def _check_outputs(parsed):
    """Paths to write, by what is written, of which none is in the way."""
    outputs = {"output": parsed.output}
    if parsed.report:
        outputs["report"] = parsed.output.parent / f"{parsed.output.stem}.html"
    if parsed.save:
        outputs["save"] = parsed.save
    inputs = [path for path in (parsed.rows, parsed.normal, parsed.load) if path]
    taken = {path.resolve(): path for path in inputs}
    for path in outputs.values():
        if path.resolve() in taken:
            raise CommandError(f"{path} is to be written, and is used already")
        taken[path.resolve()] = path
        if path.is_dir() or not path.parent.is_dir():
            raise CommandError(f"{path} cannot be written: no such folder, or a folder")
        if path.exists() and not parsed.force:
            raise CommandError(f"{path} exists: give --force to overwrite it")
    return outputs


@contextmanager
def _written(path, force, binary=False):
    """A new file, which takes its place only once it is complete."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    text = {} if binary else {"encoding": "utf-8", "newline": ""}
    try:
        with open(partial, "xb" if binary else "x", **text) as file:
            yield file
        if path.exists() and not force:  # since the command began
            raise CommandError(f"{path} exists: give --force to overwrite it")
        os.replace(partial, path)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def _without(table, dropped, path):
    """A DataFrame less the columns that --drop names, one by one or with commas."""
    names = []
    for name in dropped:
        parts = [name] if name in table else [part.strip() for part in name.split(",")]
        for part in parts:
            if part not in table:
                near = difflib.get_close_matches(part, table.columns, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise CommandError(f"{path} has no column {part!r} to drop{hint}")
        names += parts
    return table.drop(columns=names)


def _summary(ranked, parsed):
    count, n_rows = int(ranked.is_unusual.sum()), len(ranked.order)
    rate = parsed.false_alarms
    promise = f" at a rate of false alarms of {rate:g}" if rate else ""
    of = f"of {n_rows:,} rows of {parsed.rows}"
    if count:
        return f"{count:,} {of} are unusual{promise}; the first of them:"
    return f"none {of} is unusual{promise}; the nearest to it:"
