# Every target sets itself up from a fresh clone: it makes $(VENV) and installs the
# package there in editable mode, with just the extra the target needs. The plain
# commands, for systems without make, are in CONTRIBUTING.md.

PYTHON ?= python3
VENV ?= .venv
# Passed on as they are: make test PYTEST_ARGS="-k energy --cov"
PYTEST_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check

# What users call, and doc/api.rst lists: docstrings there are complete. Elsewhere a
# sentence and shapes do.
PUBLIC = skdsm/__init__.py skdsm/estimator.py skdsm/calibration.py skdsm/scorers.py \
	skdsm/density_estimator.py skdsm/imputation.py skdsm/exceptions.py \
	skdsm/tables/encoder.py skdsm/tables/contributions.py \
	skdsm/onnx/converter.py skdsm/_sklearn/detection_mixin.py \
	skdsm/_sklearn/density_mixin.py skdsm/training/objectives.py \
	skdsm/detection/conformal.py \
	$(filter-out skdsm/display/_%,$(wildcard skdsm/display/*.py))

.DEFAULT_GOAL := help
.PHONY: help demo test test-minimal test-torch lint doc package bench clean distclean
# Targets install into the same environments: no two at a time, even under -j.
.NOTPARALLEL:
.DELETE_ON_ERROR:
# Or make would take the stamps for intermediate files and delete them.
.SECONDARY:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name text; do \
		printf '  make %-13s %s\n' "$$name" "$$text"; \
	done

# One stamp per extra, so that `make demo` installs what the demo needs and no more.
$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.extra-%: pyproject.toml | $(VENV)/.created
	$(PIP_INSTALL) -e '.[$*]'
	touch $@

demo: $(VENV)/.extra-plot ## rank anomalies, end to end, in an example
	MPLBACKEND=Agg $(BIN)/python examples/anomalies/plot_anomaly_ranking.py

# pytest-xdist runs one process per core. BLAS would start a thread per core in each of
# them; with matrices as small as the tests' that only makes them wait for each other.
test test-minimal test-torch: export OMP_NUM_THREADS ?= 1
test test-minimal test-torch: export OPENBLAS_NUM_THREADS ?= 1
test test-minimal test-torch: export MKL_NUM_THREADS ?= 1
test: $(VENV)/.extra-test ## tests, and doctests of skdsm/ and doc/
	MPLBACKEND=Agg $(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

# In an environment of its own: nothing that is optional, and the oldest of the rest.
$(VENV)-minimal/.installed: pyproject.toml .ci/lowest.txt
	$(PYTHON) -m venv --clear $(VENV)-minimal
	$(VENV)-minimal/bin/python -m pip install -q --disable-pip-version-check \
		-c .ci/lowest.txt -e '.[test-minimal]'
	touch $@

test-minimal: $(VENV)-minimal/.installed ## core tests, without extras, on the lowest versions
	$(VENV)-minimal/bin/python -m pytest --without-extras -n auto $(PYTEST_ARGS)

# In an environment of its own, because PyTorch is several hundred megabytes; a wheel
# for the CPU is on no index but PyTorch's.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
$(VENV)-torch/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)-torch
	$(VENV)-torch/bin/python -m pip install -q --disable-pip-version-check \
		--index-url $(TORCH_INDEX) torch
	$(VENV)-torch/bin/python -m pip install -q --disable-pip-version-check \
		-e '.[test-minimal]' array-api-strict
	touch $@

test-torch: $(VENV)-torch/.installed ## tests of array API dispatch, on PyTorch tensors
	$(VENV)-torch/bin/python -m pytest --array-library torch -n auto \
		tests/estimator/test_array_api.py $(PYTEST_ARGS)

lint: $(VENV)/.extra-lint ## source rules, formatting, docstrings, imports, types, idioms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/numpydoc lint $(PUBLIC)
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy
	$(BIN)/python .ci/check_prose.py

# -E reads every page anew: a page taken from the last build would not warn again.
# Examples that did not change are not run again.
doc: $(VENV)/.extra-doc ## documentation with every example run, in doc/_build/html
	$(BIN)/python -m sphinx -W -E --keep-going -b html doc doc/_build/html

package: $(VENV)/.extra-release ## sdist and wheel in dist/, checked, and the wheel tried
	rm -rf build dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python .ci/check_package.py dist

# What a script prints is kept: the documentation's page of benchmarks includes it. With
# BENCH_ARGS it is only shown, as results of the defaults are to be kept. A script that
# prints nothing, for want of data, leaves the last results where they are.
bench: SHELL := bash
bench: $(VENV)/.extra-plot $(VENV)/.extra-dask $(VENV)/.extra-onnx ## every benchmarks/bench_*.py with its defaults
	@set -e -o pipefail; for script in benchmarks/bench_*.py; do \
		echo "== $$script"; \
		printed=$$(mktemp); \
		MPLBACKEND=Agg $(BIN)/python -u "$$script" $(BENCH_ARGS) | tee "$$printed"; \
		if [ -s "$$printed" ] && [ -z '$(BENCH_ARGS)' ]; then \
			cat "$$printed" > doc/benchmarks/$$(basename "$$script" .py).txt; \
		fi; \
		rm "$$printed"; \
	done

clean: ## remove built docs, caches and coverage data
	rm -rf doc/_build doc/auto_examples doc/generated
	rm -rf anomaly_ranking.png build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## clean, and remove the environment too
	rm -rf $(VENV) $(VENV)-minimal $(VENV)-torch skdsm.egg-info
