# The whole project in a word each; `make` alone lists them. Needs Python 3.11 or newer (with venv and pip),
# make and git. The environment .venv comes from requirements.lock and nothing else, through the index,
# mirror or proxy that the user's pip is set to: docs/decisions/0003-the-lock.md.

PYTHON  := .venv/bin/python
PYTHONS := python3 python3.13 python3.12 python3.11
CLI     := $(PYTHON) -m sparse_digits.cli

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := src

.PHONY: help repro sweep demo test ui setup lint format lock bench soak clean .venv

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s%s\n", $$1, $$2}' Makefile

repro: setup  ## run what is stale of the pipeline on MNIST, then print and record the result
	@$(CLI) repro

sweep: setup  ## every C of params.yaml, certified, with figures and the choice among them
	@$(CLI) sweep

demo: setup  ## the same pipeline on scikit-learn's digits: a temporary copy, no network
	@$(CLI) demo

test: setup  ## the tests on every processor, with branch coverage; ARGS='-k gap' goes to pytest
	@$(PYTHON) -m pytest -n auto --dist loadfile --max-worker-restart 0 --cov --cov-report=term-missing:skip-covered $(ARGS)

ui: setup  ## MLflow on what was recorded here, until ctrl-C
	@$(CLI) ui

lint: setup  ## ruff, its formatter and mypy; changes nothing
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

format: setup  ## let ruff put right what it can
	$(PYTHON) -m ruff check --fix-only
	$(PYTHON) -m ruff format

lock: setup  ## requirements.lock from pyproject.toml; UPGRADE=1 takes the newest versions
	$(PYTHON) -m uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	    --quiet $(if $(UPGRADE),--upgrade) --output-file requirements.lock

bench: setup  ## every benchmark, beside its peers
	@set -e; for entry in benchmarks/*.py; do echo "== $$entry"; $(PYTHON) "$$entry"; done

soak: setup  ## kill tracking at 40 moments and a sweep at 20: nothing may be lost or doubled
	@$(PYTHON) tests/support/soak.py --moments 40
	@$(PYTHON) tests/support/soak_sweep.py 20

clean:  ## remove what can be made again: the environment and the tools' caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
	@for kept in records mlflow.db mlartifacts .dvc/cache data results demo; do \
	    test ! -e $$kept || echo "kept $$kept"; done

# --- the environment: built when it has to be, silent and quick when not --------------------------------

# What .venv is made from; its place too, since a virtual environment holds absolute paths. A copy of this in
# .venv is put there last, so it marks a finished one.
ORIGIN := { pwd -P; sed -n "/^\[project.scripts\]/,/^\[/p" pyproject.toml; cat requirements.lock; }
FRESH  := $(ORIGIN) 2>/dev/null | cmp -s - .venv/origin && test -x $(PYTHON)

# The first interpreter that is new enough and complete; its real path, since a link may come to mean another.
FIND := for python in $(PYTHONS); do "$$python" -c 'import ensurepip, os, sys, venv; \
    print(os.path.realpath(sys.executable)) if sys.version_info >= (3, 11) else sys.exit(1)' \
    2>/dev/null && exit; done; \
    echo "make: none of $(PYTHONS) is Python 3.11 or newer with venv and pip; to get one:" \
    "apt-get install python3-venv, dnf install python3, brew install python" >&2; exit 1

# Becomes the command that follows once no other make holds this folder's lock, which ends with the process.
ALONE := -c 'import fcntl, os, sys; folder = os.open(".", os.O_RDONLY); os.set_inheritable(folder, True); \
    fcntl.flock(folder, fcntl.LOCK_EX); os.execvp(sys.argv[1], sys.argv[1:])'

setup:  ## the environment alone, in .venv
	@$(FRESH) || { python=`$(FIND)` && "$$python" $(ALONE) \
	    sh -c '$(FRESH) || exec "$$@"' sh $(MAKE) --no-print-directory .venv BASE="$$python"; }

# The build backends come first, from the lock, since without isolation they have to be there: in isolation
# pip would fetch the newest ones, whatever the lock says. No dependency is looked for, as the lock has them all:
# pip 23.2 would want the newest of a package that another one names with an extra, and end without its hash.
.venv:
	@echo "Setting up .venv with $(BASE); this takes a minute or more."
	rm -rf .venv
	"$(BASE)" -m venv .venv
	@$(ORIGIN) > .venv/origin.new
	@awk '/^[^ ]/ {wanted = /^(flit-core|setuptools)==/} wanted' requirements.lock > .venv/backends
	$(PYTHON) -m pip install --require-hashes --no-deps --requirement .venv/backends
	$(PYTHON) -m pip install --require-hashes --no-deps --no-build-isolation --use-pep517 --requirement requirements.lock
	$(PYTHON) -m pip install --no-deps --no-build-isolation --editable .
	$(PYTHON) -m pip check
	@mv .venv/origin.new .venv/origin
