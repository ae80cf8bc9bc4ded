# Everything a checkout needs, from Python 3.11 and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-for-these-dependencies

.PHONY: help setup demo loop test check reference study soak bench clean

help:            ## what can be made here
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/ —/'

setup: $(STAMP)  ## the .venv alone

$(STAMP): pyproject.toml constraints.txt
	@rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[notebooks,test]'
	@touch $(STAMP)

demo: setup      ## the main job, from a log to a served and audited policy
	@$(BIN)/python -m benchmarks.demo

loop: setup      ## the weekly routine, from a fresh log to a rollback
	@$(BIN)/python -m benchmarks.loop

test: setup      ## every test but the long studies
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses auto

check: setup     ## ruff, mypy strict, docs and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_docs.py tests/test_notebooks.py tests/test_imports.py

reference: setup ## the small run that is kept in git, made again
	@$(BIN)/python -m benchmarks.reference

study: setup     ## the seeded statistical studies, kept under results/study
	$(BIN)/python -m replay.studies --out results/study

soak: setup      ## the scorer's long runs: 1,000 kills, 200,000 malformed requests, 300,000 decisions
	$(BIN)/python -m benchmarks.serve_kill --kills 1000 --out results/study/kills
	$(BIN)/python -m benchmarks.serve_garbage --requests 100000
	$(BIN)/python -m benchmarks.serve_garbage --requests 100000 --workers 2
	$(BIN)/python -m benchmarks.serve_memory --decisions 300000

bench: setup     ## speed, side by side, as ratios
	$(BIN)/python -m benchmarks

clean:           ## what was made here, the .venv included
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
