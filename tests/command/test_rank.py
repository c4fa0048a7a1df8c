"""``skdsm rank`` from messy files to a ranking, or to one clear line."""

import csv
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support.mixed_tables import orders

from skdsm.command.main import main
from skdsm.command.modelling import load_model

ODD = 100  # position of the odd row
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def odd_orders():
    table = orders()
    table.loc[ODD, ["price", "quantity"]] = [600.0, 50]
    return table


def with_holes_and_codes(table):
    row = np.arange(len(table))
    table["age"] = np.where(row % 20 == 3, -1, 20 + row % 37)
    table["weight"] = np.where(row % 15 == 4, 9999, (row * 7 % 50) / 10)
    return table.astype(object).mask(row[:, None] % 13 == np.arange(table.shape[1]))


def german(path):
    table = odd_orders()
    table["when"] = table["when"].dt.strftime("%d.%m.%Y %H:%M")
    table.to_csv(path, sep=";", decimal=",", encoding="utf-8-sig", index=False)


def english_with_holes(path):
    with_holes_and_codes(odd_orders()).to_csv(path, index=False, na_rep="N/A")


def duplicate_headers(path):
    table = odd_orders()
    table.columns = ["a", "b", "a", "a", "", "c", "d", "d"]
    table.to_csv(path, sep="\t", encoding="utf-16", index=False)


def numbers_without_header(path):
    numbers = odd_orders()[["price", "quantity"]]
    numbers.to_csv(path, index=False, header=False)


def parquet(path):
    with_holes_and_codes(odd_orders()).convert_dtypes().to_parquet(path)


MESSES = [
    german,
    english_with_holes,
    duplicate_headers,
    numbers_without_header,
    parquet,
]


def ranking():
    with open("ranking.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("mess", MESSES, ids=lambda mess: mess.__name__)
def test_messy_files_end_in_a_ranking(mess, capsys):
    mess("rows.csv")
    assert main(["rank", "rows.csv", "--top", "3"]) == 0
    rows = ranking()
    assert len(rows) == 240
    assert rows[0]["row"] == str(ODD + 1)
    assert rows[0]["unusual"] == "yes"
    assert rows[0]["columns"]
    out, err = capsys.readouterr()
    assert f"1. row {ODD + 1}: " in out
    assert "fitting to 240 rows" in err


def test_what_was_decided_is_said(capsys):
    english_with_holes("rows.csv")
    assert main(["rank", "rows.csv"]) == 0
    _, err = capsys.readouterr()
    assert "note: left out, identifier: order_id" in err
    assert "note: left out, constant: currency" in err
    assert "note: column 'age': -1 taken for a code" in err
    assert "note: column 'weight': 9999 taken for a code" in err
    assert main(["rank", "rows.csv", "--quiet", "--force"]) == 0
    assert capsys.readouterr().err == ""


def test_a_seed_gives_the_same_ranking():
    german("rows.csv")
    assert main(["rank", "rows.csv", "--seed", "7", "--output", "1.csv"]) == 0
    assert main(["rank", "rows.csv", "--seed", "7", "--output", "2.csv"]) == 0
    with open("1.csv") as first, open("2.csv") as second:
        assert first.read() == second.read()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of normal rows, with a threshold, and what it said of new ones."""
    folder = tmp_path_factory.mktemp("saved")
    orders(400, seed=1).to_csv(folder / "normal.csv", index=False)
    odd_orders().to_csv(folder / "new.csv", index=False)
    names = {"normal": "normal.csv", "output": "ranking.csv", "save": "model.skops"}
    options = [part for k, v in names.items() for part in (f"--{k}", str(folder / v))]
    new = str(folder / "new.csv")
    assert main(["rank", new, *options, "--false-alarms", "0.05"]) == 0
    return folder


def test_normal_rows_give_a_rate_of_false_alarms(saved):
    with open(saved / "ranking.csv") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["row"] == str(ODD + 1)
    assert rows[0]["p_value"] == "0.004975"  # 1 / 201: half of the rows calibrate
    unusual = [row["unusual"] for row in rows].count("yes")
    assert 1 <= unusual <= 30  # of 240, one in twenty expected


def test_a_saved_model_ranks_as_it_did(saved):
    rows, model = str(saved / "new.csv"), str(saved / "model.skops")
    assert main(["rank", rows, "--load", model]) == 0
    with open(saved / "ranking.csv") as file:
        assert file.read() == Path("ranking.csv").read_text()


def test_the_rate_of_a_saved_model_can_be_changed(saved, capsys):
    rows, model = str(saved / "new.csv"), str(saved / "model.skops")
    assert main(["rank", rows, "--load", model, "--false-alarms", "0.2"]) == 0
    assert [row["unusual"] for row in ranking()].count("yes") > 24
    options = ["--load", model, "--false-alarms", "0.0001", "--force"]
    assert main(["rank", rows, *options]) == 2
    assert (
        "--false-alarms 0.0001 needs 9999 calibration rows" in capsys.readouterr().err
    )


def test_columns_of_other_files_are_found_by_name(saved, capsys):
    model = str(saved / "model.skops")
    table = odd_orders()
    table[table.columns[::-1]].assign(more=1).drop(columns="currency").to_csv("new.csv")
    assert main(["rank", "new.csv", "--load", model]) == 0
    assert ranking()[0]["row"] == str(ODD + 1)
    table.drop(columns=["price", "code"]).to_csv("new.csv", index=False)
    assert main(["rank", "new.csv", "--load", model, "--force"]) == 2
    assert "new.csv lacks columns of the model: price, code" in capsys.readouterr().err


def test_columns_can_be_left_out(capsys):
    german("rows.csv")
    drop = ["--drop", "price,quantity", "--drop", "code"]
    assert main(["rank", "rows.csv", *drop]) == 0
    blamed = " ".join(row["columns"] for row in ranking())
    assert "product" in blamed
    assert not any(word in blamed for word in ("price", "quantity", "code"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.csv"], "cannot read no.csv: No such file"),
        (["rows.csv", "--drop", "prise"], "did you mean 'price'?"),
        (["rows.csv", "--output", "rows.csv", "--force"], "is used already"),
        (["rows.csv", "--output", "no/ranking.csv"], "no such folder"),
        (["rows.csv", "--save", "ranking.csv"], "is used already"),
        (["rows.csv", "--save", "there.csv"], "there.csv exists: give --force"),
        (["rows.csv", "--load", "rows.csv"], "is not a model saved by --save"),
        (["rows.csv", "--load", "no.skops"], "cannot read no.skops"),
        (["rows.csv", "--normal", "there.csv"], "there.csv has a header and no rows"),
        (["one.csv"], "n_samples = 1 row"),
        (["constant.csv"], "No column is left"),
    ],
)
def test_bad_input_gives_one_clear_line(arguments, message, capsys):
    german("rows.csv")
    for name, text in {
        "there.csv": "a,b\n",
        "one.csv": "a,b\n1,2\n",
        "constant.csv": "a,b\n1,2\n1,2\n1,2\n",
    }.items():
        Path(name).write_text(text)
    before = {name: os.path.getmtime(name) for name in os.listdir()}
    assert main(["rank", *arguments, "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("skdsm rank: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert {name: os.path.getmtime(name) for name in os.listdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["rank"], "required: ROWS"),
        (["rank", "rows.csv", "--false-alarms", "2"], "'2' is not between 0 and 1"),
        (["rank", "rows.csv", "--false-alarms", "0.1"], "give some by --normal"),
        (["rank", "rows.csv", "--top", "0"], "'0' is not a number from 1 on"),
        (
            ["rank", "rows.csv", "--load", "m", "--normal", "n"],
            "--normal has no effect",
        ),
        (["rank", "rows.csv", "--load", "m", "--drop", "n"], "--drop has no effect"),
        (["rank", "rows.csv", "--load", "m", "--save", "n"], "exclude each other"),
    ],
)
def test_bad_options_give_one_clear_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_nothing_is_overwritten_without_force(capsys):
    german("rows.csv")
    for name in ("ranking.csv", "ranking.html"):
        Path(name).write_text("mine")
        assert main(["rank", "rows.csv", "--report"]) == 2
        assert f"{name} exists" in capsys.readouterr().err
        assert Path(name).read_text() == "mine"
        os.unlink(name)


def test_a_failure_leaves_no_file_behind(monkeypatch):
    german("rows.csv")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skdsm.command.main.write_ranking", fail)
    assert main(["rank", "rows.csv"]) == 2
    assert os.listdir() == ["rows.csv"]


def test_a_file_that_runs_code_is_not_loaded(capsys):
    german("rows.csv")
    skops.io.dump(make_pipeline(FunctionTransformer(os.system)), "model.skops")
    assert main(["rank", "rows.csv", "--load", "model.skops"]) == 2
    assert "system" in capsys.readouterr().err
    skops.io.dump(make_pipeline(FunctionTransformer()), "model.skops")
    assert main(["rank", "rows.csv", "--load", "model.skops"]) == 2
    assert "is not a model saved by --save" in capsys.readouterr().err


def test_a_saved_model_can_be_used_in_python(saved):
    model = load_model(saved / "model.skops", None, [])
    table = odd_orders()
    assert model.score_samples(table).argmin() == ODD


class Page(HTMLParser):
    """Tags of a page, its text, and the columns named in it."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text = [], ""
        with open(path, encoding="utf-8") as file:
            self.source = file.read()
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_report_is_complete_and_runs_nothing():
    table = odd_orders().rename(columns={"price": f"price {SCRIPT}", "quantity": "$q$"})
    table.loc[ODD, "code"] = SCRIPT
    table.to_csv("<i>rows.csv", index=False)
    assert main(["rank", "<i>rows.csv", "--report", "--top", "4"]) == 0
    page = Page("ranking.html")
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "i", "link", "img", "iframe"} & set(tags)
    assert tags.count("svg") == 2
    assert sum(attrs.get("class") == "card" for _, attrs in page.tags) == 4
    policy = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    attributes = [(k, v) for _, attrs in page.tags for k, v in attrs.items()]
    assert not [k for k, _ in attributes if k.startswith("on") or k == "src"]
    assert all(v.startswith("#") for k, v in attributes if k.endswith("href"))
    assert page.text.count(SCRIPT) >= 3  # a column's name, a cell, the picture
    assert "Unusual rows of <i>rows.csv" in page.text
    assert "identifier" in page.text


@pytest.mark.parametrize("columns", [["product", "express"], ["when", "code"]])
def test_a_report_without_numbers_has_no_samples(columns):
    odd_orders()[columns].to_csv("rows.csv", index=False)
    assert main(["rank", "rows.csv", "--report"]) == 0
    assert [tag for tag, _ in Page("ranking.html").tags].count("svg") == 1


def test_help_reads_well(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["rank", "--help"])
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 88
    for option in ("--normal", "--false-alarms", "--save", "--load", "--drop", "--top"):
        assert option in shown


def test_the_module_runs():
    command = [sys.executable, "-m", "skdsm", "rank", "no.csv"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 2
    assert not ran.stdout
    assert ran.stderr == (
        "skdsm rank: error: cannot read no.csv: No such file or directory\n"
    )


def test_without_the_extra_one_line_says_what_to_install(monkeypatch, capsys):
    def find_spec(name):
        return None if name == "skops" else object()

    monkeypatch.setattr("skdsm.command.main.find_spec", find_spec)
    assert main(["rank", "rows.csv"]) == 2
    assert "pip install 'skdsm[command]'" in capsys.readouterr().err


def test_the_cells_of_a_ranking_are_harmless():
    table = odd_orders()
    table.loc[3, "code"] = "=HYPERLINK(1)"
    table["change"] = -table["price"]
    table.rename(columns={"code": "@code"}).to_csv("rows.csv", index=False)
    assert main(["rank", "rows.csv"]) == 0
    rows = {row["row"]: row for row in ranking()}
    assert rows["4"]["'@code"] == "'=HYPERLINK(1)"
    assert float(rows["4"]["change"]) == -table["price"][3]
    assert pd.read_csv("ranking.csv")["change"].dtype == float
