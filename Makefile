# The two commands of the README, each complete on a fresh machine:
#   make quickstart   environment, install, self-training on the digits
#   make test         environment, install, checks and fast tests

PYTHON ?= python3
MODEL_DIR ?= runs/digits
ENVIRONMENT := .venv
RUN := $(ENVIRONMENT)/bin/python

.PHONY: quickstart test slow-test lint clean

quickstart: $(ENVIRONMENT)/installed
	$(RUN) main.py --flagfile=flags/recipes/digits.cfg \
	  --model_dir=$(MODEL_DIR) $(FLAGS)

# Two processes: most tests are of one thread, or wait for a script. Tests of a
# file share what is costly to set up.
test: lint
	$(RUN) -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

slow-test: $(ENVIRONMENT)/installed-dev
	$(RUN) -m pytest -m slow

lint: $(ENVIRONMENT)/installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# A mark file each, so that a changed list of requirements is installed anew
# and an interrupted installation is taken up again.
$(ENVIRONMENT)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or later is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(RUN) -m pip install --requirement requirements.txt
	touch $@

$(ENVIRONMENT)/installed-dev: $(ENVIRONMENT)/installed requirements-dev.txt \
    requirements-beam.txt
	$(RUN) -m pip install --requirement requirements-dev.txt
	touch $@

clean:
	rm -rf $(ENVIRONMENT)
