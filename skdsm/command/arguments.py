"""The command line."""

import argparse
from pathlib import Path

from skdsm import __version__

__all__ = ["parse_arguments"]

_DESCRIPTION = """\
Rank the rows of a table, the most unusual first, and say which columns are to blame.

The table is a CSV file of any common dialect or a Parquet file. Its columns may hold
numbers, categories, dates, text codes, and missing cells."""

_EPILOG = """\
examples:
  skdsm rank rows.csv
  skdsm rank rows.csv --report --drop customer
  skdsm rank new.csv --normal last_year.csv --false-alarms 0.01 --save model.skops
  skdsm rank newer.csv --load model.skops"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _rate(text):
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return rate


def _count(text):
    if not text.isdecimal() or not 0 < int(text) < 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _seed(text):
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 2^32 - 1")
    return int(text)


def parse_arguments(arguments=None):
    """Namespace of a command line; exits with code 2 if it is not valid."""
    parser = _Parser(prog="skdsm", description="Score matching for tables.")
    parser.add_argument("--version", action="version", version=f"skdsm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    rank = commands.add_parser(
        "rank",
        help="rank the rows of a CSV or Parquet file",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rank.add_argument("rows", metavar="ROWS", type=Path, help="CSV or Parquet file")
    model = rank.add_argument_group("model")
    model.add_argument(
        "--normal",
        metavar="FILE",
        type=Path,
        help="fit to the rows of this file, which are known to be normal; without it "
        "the model is fitted to ROWS, anomalies among them",
    )
    model.add_argument(
        "--false-alarms",
        metavar="RATE",
        type=_rate,
        help="set the threshold so that this share of normal rows is called unusual, "
        "such as 0.01; it takes half of the rows of --normal to calibrate",
    )
    model.add_argument(
        "--drop",
        metavar="COLUMN",
        action="append",
        default=[],
        help="leave a column out; repeat for more, or divide names by commas",
    )
    model.add_argument(
        "--seed", metavar="N", type=_seed, default=0, help="random seed (default: 0)"
    )
    model.add_argument("--save", metavar="FILE", type=Path, help="save the model")
    model.add_argument(
        "--load",
        metavar="FILE",
        type=Path,
        help="use a model saved by --save, without a fit; no code in it is run",
    )
    output = rank.add_argument_group("output")
    output.add_argument(
        "--top",
        metavar="N",
        type=_count,
        default=10,
        help="print and explain N rows (default: 10)",
    )
    output.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("ranking.csv"),
        help="where to write the ranking of all rows (default: ranking.csv)",
    )
    output.add_argument(
        "--report",
        action="store_true",
        help="also write a page to look at, beside the ranking (ranking.html)",
    )
    output.add_argument(
        "--force", action="store_true", help="overwrite files that are there"
    )
    output.add_argument(
        "--quiet", action="store_true", help="no progress and no notes on stderr"
    )
    parsed = parser.parse_args(arguments)
    if parsed.load and parsed.normal:
        rank.error("--load brings a fitted model: --normal has no effect")
    if parsed.load and parsed.drop:
        rank.error("--load brings a fitted model: --drop has no effect")
    if parsed.load and parsed.save:
        rank.error("--load and --save exclude each other")
    if parsed.false_alarms and not (parsed.normal or parsed.load):
        rank.error("--false-alarms is a rate among normal rows: give some by --normal")
    return parsed
