# make demo    load the bundled models, measure them, make a page of pictures    ARGS="--dataset=cifar10"
# make test    run the tests, without the slow ones                             ARGS="-k attacks -x"
# make lint    ruff and mypy
# make docs    build the site of docs/ into site/; every warning is an error
#
# Each creates $(VENV) and installs what it needs into it, once.

PYTHON ?= python3
VENV ?= .venv
TEST_EXTRAS ?= test,dev,tensorboard,jax,app
ARGS ?=
# For pytest-xdist. 2 use a second core where there is one; each takes up to 7 GB of memory.
TEST_PROCESSES ?= 0
TF_CPP_MIN_LOG_LEVEL ?= 3
export TF_CPP_MIN_LOG_LEVEL

VENV_PYTHON := $(VENV)/bin/python
PIP_INSTALL := $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check
PACKAGING := setup.cfg setup.py pyproject.toml

.PHONY: demo test lint docs
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(VENV_PYTHON) scripts/demo.py $(ARGS)

test: $(VENV)/.installed-test
	$(VENV_PYTHON) -m pytest --numprocesses=$(TEST_PROCESSES) --dist=loadfile -m "not slow" $(ARGS)

lint: $(VENV)/.installed-test
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(VENV_PYTHON) -m mkdocs build --strict $(ARGS)

# The pip that comes with Python 3.10 takes more than minutes to resolve these dependencies.
$(VENV_PYTHON):
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --upgrade pip

$(VENV)/.installed: $(PACKAGING) | $(VENV_PYTHON)
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: $(PACKAGING) | $(VENV_PYTHON)
	$(PIP_INSTALL) --editable '.[$(TEST_EXTRAS)]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(PACKAGING) | $(VENV_PYTHON)
	$(PIP_INSTALL) --editable '.[docs]'
	touch $@ $(VENV)/.installed
