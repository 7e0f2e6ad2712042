# The commands of the project; `make` alone lists them. Needs Python 3.11 or newer (with venv and pip), make
# and git. The environment .venv is installed from requirements.lock alone, through the package index, mirror or
# proxy that the user's pip is configured for: docs/decisions/0003-the-lock.md.

PYTHON  := .venv/bin/python
PYTHONS := python3 python3.13 python3.12 python3.11
CLI     := $(PYTHON) -m sparse_digits.cli

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := src

.PHONY: help repro sweep demo test check test-lowest test-newest coverage ui setup lint format lock audit sbom fuzz bench soak ci clean .venv

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' Makefile

repro: setup  ## run the stale stages of the pipeline on MNIST, then print and record the result
	@$(CLI) repro

sweep: setup  ## compute every C of params.yaml, certified, with figures and a selection
	@$(CLI) sweep

demo: setup  ## run the same pipeline on scikit-learn's digits, in a temporary copy, without a network
	@$(CLI) demo

# The longest tests come first (tests/conftest.py), so that the workers finish at about the same time.
PARALLEL := -n auto --dist loadgroup --no-loadscope-reorder --max-worker-restart 0
PYTEST   := $(PYTHON) -m pytest $(PARALLEL)

test: setup  ## run all tests on every processor; ARGS='-k gap' goes to pytest
	@$(PYTEST) $(ARGS)

check: setup  ## run the tests that take under a minute together, while you work; ARGS goes to pytest
	@$(PYTEST) -m "not slow" $(ARGS)

test-lowest: setup  ## run the tests on the lowest versions that pyproject.toml admits; ARGS as in test
	@.ci/test-versions lowest-direct $(PARALLEL) $(ARGS)

test-newest: setup  ## run the tests on the newest versions that pyproject.toml admits; ARGS as in test
	@.ci/test-versions highest $(PARALLEL) $(ARGS)

coverage: setup  ## run all tests and print the lines and branches that none of them reached
	@$(PYTEST) --cov --cov-report=term-missing:skip-covered $(ARGS)

ui: setup  ## serve MLflow with the recorded results, until ctrl-C
	@$(CLI) ui

lint: setup  ## run ruff, its formatter and mypy; changes no file
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

format: setup  ## fix and format the code with ruff
	$(PYTHON) -m ruff check --fix-only
	$(PYTHON) -m ruff format

lock: setup  ## make requirements.lock from pyproject.toml; UPGRADE=1 takes the newest versions
	$(PYTHON) -m uv pip compile pyproject.toml --group dev --extra onnx --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	    --quiet $(if $(UPGRADE),--upgrade) --output-file requirements.lock

audit: setup  ## look up every locked package among known vulnerabilities; fails if one cannot be looked up
	@$(PYTHON) .ci/audit.py

# In an environment of its own: docs/decisions/0027-tools-outside-the-lock.md.
sbom: setup  ## write sbom.json, the locked packages in the format CycloneDX
	@$(PYTHON) .ci/sbom.py sbom.json

# Outside the lock, since atheris has wheels for few Pythons: docs/decisions/0027-tools-outside-the-lock.md.
FUZZ_SECONDS := 60
fuzz: setup  ## fuzz the readers of IDX, npz, npy and images; FUZZ_SECONDS=60 for each
	@$(PYTHON) -m uv pip install --quiet --python $(PYTHON) --no-deps --target .venv-fuzz atheris==3.0.0
	@set -e; for reader in idx model npy image; do \
	    PYTHONPATH=src:.venv-fuzz $(PYTHON) tests/support/fuzz.py $$reader $(FUZZ_SECONDS); done

bench: setup  ## run every benchmark, with its peers
	@set -e; for entry in benchmarks/*.py; do echo "== $$entry"; $(PYTHON) "$$entry"; done

soak: setup  ## kill tracking at 40 moments and a sweep at 20; fails if a result is lost or doubled
	@$(PYTHON) tests/support/soak.py --moments 40
	@$(PYTHON) tests/support/soak_sweep.py 20

ci:  ## run the steps of CI; fails if git reports a change after one of them
	@.ci/steps

clean:  ## remove the environment and the tools' caches, no results
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
	@for result in records mlflow.db mlartifacts .dvc/cache data results demo; do \
	    test ! -e $$result || echo "kept $$result"; done

# --- the environment: rebuilt when its sources changed, else silent and fast --------------------------------

# The sources of .venv: its path (a virtual environment holds absolute paths), the entry points and the lock. A
# copy of them is written into .venv last, so it marks a complete environment.
ORIGIN := { pwd -P; sed -n "/^\[project.scripts\]/,/^\[/p" pyproject.toml; cat requirements.lock; }
FRESH  := $(ORIGIN) 2>/dev/null | cmp -s - .venv/origin && test -x $(PYTHON)

# Print the real path of the first interpreter that is new enough and has venv and pip: a link may be changed. One in
# .venv has no real path while another make removes it.
FIND := for python in $(PYTHONS); do "$$python" -c 'import ensurepip, os, sys, venv; \
    path = os.path.realpath(sys.executable); \
    print(path) if sys.version_info >= (3, 11) and os.access(path, os.X_OK) else sys.exit(1)' \
    2>/dev/null && exit; done; \
    echo "make: none of $(PYTHONS) is Python 3.11 or newer with venv and pip; to get one:" \
    "apt-get install python3-venv, dnf install python3, brew install python" >&2; exit 1

# Wait until no other make holds the lock on this folder, then become the command that follows.
ALONE := -c 'import fcntl, os, sys; folder = os.open(".", os.O_RDONLY); os.set_inheritable(folder, True); \
    fcntl.flock(folder, fcntl.LOCK_EX); os.execvp(sys.argv[1], sys.argv[1:])'

setup:  ## build the environment in .venv, if it is missing or stale
	@$(FRESH) || { python=`$(FIND)` && "$$python" $(ALONE) \
	    sh -c '$(FRESH) || exec "$$@"' sh $(MAKE) --no-print-directory .venv BASE="$$python"; }

# A pip of our own and the build backends are installed first, at their locked versions: the pip of Python 3.11 takes
# twice as long for the lock, and with isolation it would download the newest backends. --no-deps, since the lock has
# every dependency: without it pip 23.2 wants the newest version of a package that another one requires with an extra,
# and fails on its missing hash. Bytecode is compiled on all processors, and not that of the libraries' own tests.
.venv:
	@echo "Setting up .venv with $(BASE); this takes about a minute."
	rm -rf .venv
	"$(BASE)" -m venv .venv
	@$(ORIGIN) > .venv/origin.new
	@awk '/^[^ ]/ {wanted = /^(flit-core|pip|setuptools)==/} wanted' requirements.lock > .venv/first
	$(PYTHON) -m pip install --no-compile --require-hashes --no-deps --requirement .venv/first
	$(PYTHON) -m pip install --no-compile --require-hashes --no-deps --no-build-isolation --use-pep517 \
	    --requirement requirements.lock
	$(PYTHON) -m pip install --no-compile --no-deps --no-build-isolation --editable .
	$(PYTHON) -m pip check
	@$(PYTHON) -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true  # some packages have files for other Pythons
	@mv .venv/origin.new .venv/origin
