PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check bench docs clean

demo: $(READY)
	$(BIN)/tombola demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest benchmarks -q

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf .venv build dist site .pytest_cache .ruff_cache .import_linter_cache .benchmarks .hypothesis
