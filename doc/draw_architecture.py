"""Draw the packages of skdsm and their imports, from what is in the repository.

Boxes side by side are a layer of the import contracts in pyproject.toml; below the
dashed line there is no scikit-learn. Arrows are the imports in the source. Two kinds
are left out: those that a chain of others implies, and those to the lowest layer, which
all may import. The drawing takes its colours from the page around it.
"""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "skdsm"

WIDTH, ROW = 720, 80
BOX = 132, 36


def contract(kind):
    """The contracts of one type, as pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    return [one for one in contracts if one["type"] == kind]


def layers():
    """Names in each layer, from the highest to the lowest."""
    (layered,) = contract("layers")
    rows = layered["layers"]
    return [row.replace(":", " ").replace("|", " ").split() for row in rows]


def layers_of_mathematics():
    """Layers, counted from the top, some part of which may not import scikit-learn."""
    (pure,) = [
        one for one in contract("forbidden") if "sklearn" in one["forbidden_modules"]
    ]
    pure = {name.removeprefix("skdsm.") for name in pure["source_modules"]}
    return [i for i, row in enumerate(layers()) if pure & set(row)]


def imports():
    """Pairs (importer, imported) of parts of skdsm, of all import statements."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names]
                modules = [
                    node.module or "",
                    *(f"{node.module}.{name}" for name in names),
                ]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                top, *rest = module.split(".")
                if top == "skdsm" and rest and rest[0] != part:
                    found.add((part, rest[0]))
    return found


def arrows():
    """Imports between layers above the lowest, without those that others imply."""
    parts = {name for row in layers()[:-1] for name in row}
    direct = {(a, b) for a, b in imports() if a in parts and b in parts}

    def reaches(start, end):
        return any(b == end or reaches(b, end) for a, b in direct if a == start)

    return {
        (a, b)
        for a, b in direct
        if not any(reaches(over, b) for first, over in direct if first == a)
    }


def places():
    """Centre of each box; a box alone in its layer stands over what it imports."""
    place, lines = {}, arrows()
    for i, row in reversed(list(enumerate(layers()))):
        for j, name in enumerate(row):
            x = WIDTH * (j + 0.5) / len(row)
            below = [place[b][0] for a, b in lines if a == name]
            if len(row) == 1 and below:
                x = sum(below) / len(below)
            place[name] = round(x), round(i * ROW + BOX[1] / 2 + 2)
    return place


def drawing():
    """The drawing, as an SVG element to put into a page."""
    width, height = BOX
    place, parts = places(), []
    for a, b in sorted(arrows()):
        (x1, y1), (x2, y2) = place[a], place[b]
        lean = max(-width // 3, min(width // 3, (x2 - x1) // 4))
        x1, x2 = x1 + lean, x2 - lean  # so that no two arrows end at one point
        y1, y2 = y1 + height // 2, y2 - height // 2 - 7
        parts.append(f'<path class="import" d="M{x1} {y1} {x2} {y2}"/>')
    for name, (x, y) in place.items():
        folder = "/" if (PACKAGE / name).is_dir() else ""
        wide = max(width, 11 * len(name))
        x1, y1 = x - wide // 2, y - height // 2
        parts.append(
            f'<rect x="{x1}" y="{y1}" width="{wide}" height="{height}" rx="5"/>'
        )
        parts.append(f'<text x="{x}" y="{y + 6}">{name}{folder}</text>')
    limit = round((min(layers_of_mathematics()) - 0.5) * ROW + height / 2 + 2)
    parts.append(f'<path class="limit" d="M0 {limit}H{WIDTH}"/>')
    parts.append(
        f'<text class="limit" x="{WIDTH}" y="{limit + 19}">no scikit-learn below</text>'
    )
    bottom = (len(layers()) - 1) * ROW + height + 4
    content = "\n".join(parts)
    return f"""\
<svg class="architecture" xmlns="http://www.w3.org/2000/svg" role="img"
  viewBox="0 0 {WIDTH} {bottom}" aria-label="Packages of skdsm and their imports">
<defs><marker id="import" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7"
  markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8Z"/></marker></defs>
{content}
</svg>
"""


if __name__ == "__main__":
    print(drawing())
