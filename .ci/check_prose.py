"""Find idioms that readers stumble over, in pages, docstrings, comments and messages.

    python .ci/check_prose.py [FILE ...]

Without files: all of the repository. CONTRIBUTING.md says what to write instead. A
finding is a line `file:line: idiom: what was found`; the exit status is 1 if there are
any.
"""

import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["*.md", "doc/*.rst", "doc/user_guide/*.rst"]
CODE = ["skdsm/**/*.py", "examples/**/*.py", "benchmarks/*.py", "tests/**/*.py"]
CODE += ["doc/*.py", ".ci/*.py", "conftest.py"]
# The idioms, as examples.
NOT_PROSE = [".ci/check_prose.py", "tests/pages/test_check_prose.py"]

PER = (
    "row|unit|block|second|minute|thread|fit|cell|parameter|evaluation|feature|core"
    "|worker|stage|column|table|batch|processor|sample|line|test|data set"
)
COUNTED = (
    "rows?|bytes?|bits?|µs|us|ms|ns|s|seconds?|minutes?|hours?|twice|cop(?:y|ies)"
    "|blocks?|iterations?|evaluations?|threads?|numbers?|operations?|[kMG]i?B"
    "|megabytes?|kilobytes?|gigabytes?|tasks?|draws?|units?|steps?|products?"
    "|one|two|three|four|some|microseconds?|milliseconds?|levels?|scores?|lines?"
)
NUMBER = r"\d[\d.,]*(?<=\d)"
UNIT = r"(?: ?(?:%|s|ms|µs|[kMG]i?B|seconds|minutes|points|percent))?"
IDIOMS = {
    "'but for': write 'except'": r"\bbut for\b",
    "'that of': repeat the noun": r"\b(?:that|those) of\b",
    "'of the same worth': write 'equally good'": r"\bof (?:the )?same worth\b",
    "'as it comes': write 'with its defaults'": r"\bas (?:it comes|they come)\b",
    "'but may': write 'although it may'": r"\bbut may\b",
    "'is no': write 'is not a'": (
        r"(?<![Tt]here )\b(?:is|are|was|were|be) no (?!more\b|longer\b|less\b|fewer\b"
        r"|better\b|worse\b|one\b|\w+er\b)[a-z]+"
    ),
    "'none' for not": r"(?<![Tt]here )\b(?:is|are|was|were|be) none\b",
    "'a row': write 'per row'": (
        rf"\b(?:{COUNTED}) an? (?:{PER})s?\b|\bO\([^)]*\) an? \w+"
    ),
    "'x for y': write 'x against y'": (
        rf"(?<![\w.-]){NUMBER}{UNIT} for {NUMBER}(?!\w|[.,]\d)(?! ?[a-z])"
    ),
    "verb before subject": (
        r"(?:^|[.:;] )(?:Good|Better|Worse|Cheap|Fast|Useful) (?:is|are)\b"
    ),
}
IDIOMS = {name: re.compile(pattern) for name, pattern in IDIOMS.items()}


def prose_of_page(text):
    """(line, text) of the lines of a page that are prose; code is left out."""
    block = None  # the indentation of what introduced a literal block
    fence = False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if stripped.startswith("```"):
            fence = not fence
        if block is not None and stripped and indent <= block:
            block = None
        shown = ">>>" in line or stripped.startswith("... ")
        if fence or block is not None or shown:
            line = ""
        elif re.match(r"\.\. (?:math|code-block|raw|figure|image|include)::", stripped):
            block, line = indent, ""
        elif stripped.endswith("::"):
            block = indent
        yield number, line.replace("::", ":")


def prose_of_code(source):
    """(line, text) of comments, strings and names; text "" ends a paragraph."""
    last = None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row = token.start[0]
        if token.type == tokenize.NAME and "_A_" in token.string:
            yield row - 1, ""
            yield row, token.string.lower().replace("_", " ")  # ROWS_A_UNIT
            yield row, ""
        elif token.type == tokenize.COMMENT:
            if last is not None and row != last + 1:
                yield row - 1, ""
            yield row, token.string.lstrip("#")
            last = row
        elif token.type in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)):
            yield row - 1, ""
            text = re.sub(r"""^\w*["']+|["']+$""", "", token.string)
            for number, line in prose_of_page(text):
                yield row + number - 1, line
            yield token.end[0], ""


def paragraphs(lines):
    """Lines joined up to the next that is empty: [(line, its start)], text."""
    starts, text = [], ""
    for number, line in [*lines, (0, "")]:
        line = " ".join(re.sub(r"(?::\w+:)?(`+)[^`]*\1", "X", line).split())
        if line:
            text += " " * bool(text)
            starts.append((number, len(text)))
            text += line
        elif text:
            yield starts, text
            starts, text = [], ""


def findings(path):
    """(line, idiom, excerpt) for each idiom in a file."""
    source = path.read_text(encoding="utf-8")
    lines = prose_of_code(source) if path.suffix == ".py" else prose_of_page(source)
    for starts, text in paragraphs(lines):
        for name, pattern in IDIOMS.items():
            for match in pattern.finditer(text):
                line = max(n for n, start in starts if start <= match.start())
                excerpt = text[max(0, match.start() - 40) : match.end() + 40]
                yield line, name, excerpt


def main(arguments):
    """Print the findings, and how often each idiom occurs."""
    files = [Path(name).resolve() for name in arguments] or sorted(
        path
        for pattern in PAGES + CODE
        for path in ROOT.glob(pattern)
        if path.relative_to(ROOT).as_posix() not in NOT_PROSE
    )
    count = Counter()
    for path in files:
        for line, name, excerpt in findings(path):
            print(f"{path.relative_to(ROOT)}:{line}: {name}: …{excerpt}…")
            count[name] += 1
    for name, number in count.most_common():
        print(f"{number:4d}  {name}", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
