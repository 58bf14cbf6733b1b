# make demo    environment, installation, one clip      make test    the same, then the tests
# make check   linter and type checker                  make clean   remove the environment and what was made
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && { echo $$name; break; }; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

CAPTION ?= A woman in a green coat talks while a drum is struck
TRANSCRIPT ?= We start in five minutes
DEMO ?= outputs/demo

.PHONY: demo test check clean
demo: $(VENV)/.installed
	$(BIN)/unison generate --caption "$(CAPTION)" --transcript "$(TRANSCRIPT)" --seed 1 --preview --overwrite --out $(DEMO)
	@echo; echo "Watch $(DEMO)/video.mp4, see $(DEMO)/preview.png; speech and effects lie beside them:"; ls $(DEMO)

# A worker for each processor, on one thread each: the tests' models are too small to share out.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --maxprocesses 8 --dist worksteal

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy unison_core unison_cli

clean:
	rm -rf $(VENV) outputs .pytest_cache .ruff_cache .mypy_cache *.egg-info

# Installed again only when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[dev,eval,corpus,train]'
	touch $@ $(VENV)/.installed

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
