# The two commands of the README, each complete on a fresh machine:
#   make quickstart   environment, installation, self-training on the digits
#   make test         environment, installation, checks and fast tests
# and for developers:
#   make slow-test    tests that take minutes each
#   make constraints  moves constraints.txt to the newest versions
#                     (TensorFlow's are in requirements.txt)

PYTHON ?= python3
MODEL_DIR ?= runs/digits
ENVIRONMENT := .venv
RUN := $(ENVIRONMENT)/bin/python

# Two processes, since most tests use one core or wait for a script. The tests
# of a file share what is costly to set up. A test that hangs ends its process
# (see pyproject.toml), and would be started again.
TWO_PROCESSES := --numprocesses=2 --dist=loadfile --no-loadscope-reorder \
  --max-worker-restart=0

# glibc gives the memory of freed tensors back to the kernel and asks for it
# again at once; here it keeps it. The results are the same. On two cores of a
# virtual machine, 300 training steps of the digits took 5 s of system time
# instead of 16 to 22 s, beside 75 s of user time.
KEEP_MEMORY := MALLOC_TRIM_THRESHOLD_=4294967296 \
  MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864

.PHONY: quickstart test slow-test lint constraints clean

quickstart: $(ENVIRONMENT)/installed
	$(KEEP_MEMORY) $(RUN) main.py --flagfile=flags/recipes/digits.cfg \
	  --model_dir=$(MODEL_DIR) $(FLAGS)

test: lint
	$(KEEP_MEMORY) $(RUN) -m pytest $(TWO_PROCESSES)

# The large tests run alone: one needs 18 GiB.
slow-test: $(ENVIRONMENT)/installed-dev
	$(KEEP_MEMORY) $(RUN) -m pytest -m "slow and not large" \
	  -o faulthandler_timeout=2400 $(TWO_PROCESSES)
	$(RUN) -m pytest -m large -o faulthandler_timeout=2400

lint: $(ENVIRONMENT)/installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# Each installation leaves a mark file. Changed requirements are installed
# again, and an interrupted installation is resumed.
$(ENVIRONMENT)/installed: requirements.txt requirements.in constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or later is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(RUN) -m pip install --requirement requirements.txt
	touch $@

$(ENVIRONMENT)/installed-dev: $(ENVIRONMENT)/installed requirements-dev.txt \
    requirements-beam.txt requirements-robustness.txt requirements-export.txt
	$(RUN) -m pip install --requirement requirements-dev.txt
	touch $@

# Installs everything anew without constraints and keeps the header. Lines that
# start with "-" include other files. CUDA's libraries are 3 GB: pip only says
# which it would install.
constraints:
	rm -rf $(ENVIRONMENT)-constraints
	$(PYTHON) -m venv $(ENVIRONMENT)-constraints
	grep -hv '^-' requirements.in requirements.txt requirements-beam.txt \
	  requirements-robustness.txt requirements-export.txt \
	  requirements-dev.txt \
	  > $(ENVIRONMENT)-constraints/requirements.txt
	$(ENVIRONMENT)-constraints/bin/python -m pip install \
	  --requirement $(ENVIRONMENT)-constraints/requirements.txt
	(grep '^#' constraints.txt && \
	  $(ENVIRONMENT)-constraints/bin/python -m pip freeze --all \
	    --exclude pip --exclude setuptools \
	    --exclude tensorflow --exclude tensorboard && \
	  grep -hv '^-' requirements-gpu.txt | \
	    $(ENVIRONMENT)-constraints/bin/python -m pip install --dry-run \
	      --requirement /dev/stdin | \
	    sed -n 's/^Would install //p' | tr ' ' '\n' | \
	    sed 's/-\([^-]*\)$$/==\1/') > constraints.new
	mv constraints.new constraints.txt
	rm -rf $(ENVIRONMENT)-constraints

clean:
	rm -rf $(ENVIRONMENT) $(ENVIRONMENT)-constraints
