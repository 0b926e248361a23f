# make test: set-up and the whole test suite. make check: ruff, mypy. make bench: the benchmarks.
SHELL := bash
PYTHON ?= python3.11
BIN := .venv/bin
LABEL_STUDIO := .venv-label-studio

.PHONY: setup test check bench
setup: .venv/.ready $(LABEL_STUDIO)/.ready

.venv/.ready: requirements.txt tests/requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r requirements.txt -r tests/requirements.txt
	$(BIN)/pip install --quiet --no-deps label-studio-ml==1.0.9
	touch $@

# Label Studio pins an older rq and redis, so it lives in an environment of its own.
$(LABEL_STUDIO)/.ready:
	$(PYTHON) -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/pip install --quiet --upgrade pip
	$(LABEL_STUDIO)/bin/pip install --quiet label-studio==1.23.2
	touch $@

test: setup
	$(BIN)/python -m pytest -m "not benchmark" $(ARGS)

check: .venv/.ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: setup
	$(BIN)/python -m pytest -m benchmark -s tests/benchmarks $(ARGS)
