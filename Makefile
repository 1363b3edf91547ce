# make demo    set up .venv and explain the bundled portrait with the bundled network
# make test    set up .venv and run lint, types and tests
# make quick   lint, types, and the tests of what has changed (since BASE=commit), without the slow ones
# make test-scale   sharded runs on Ray and Dask, with kills at random times, in .venv-scale; takes minutes
# make fuzz    every reader of files under mutated ones, SECONDS each (20); prints the table
# make test-frameworks    the tests of PyTorch networks, beside pytorch-grad-cam and captum, in a venv of their own (2 GB)
# make tutorial    README, tutorial and every how-to typed in a fresh environment (QUICK=--quick: dreams, training and teaching cut short)
# make docs    set up .venv and build the documentation into build/docs
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-frameworks test-scale quick fuzz tutorial docs lint types tests format clean

demo: $(VENV)/installed
	@mkdir -p demo
	@$(BIN)/ferviz gradcam examples/astronaut.png --target all --out demo/gradcam.png --force
	@echo "The picture is at $(CURDIR)/demo/gradcam.png"

# The types are checked by one process while the tests begin in two: so both cores are at work from the first second.
test: lint
	@$(MAKE) --no-print-directory -j 2 types tests

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

# Where Python is told to keep no compiled modules, each of the hundred processes that the tests start would compile ferviz anew.
quick tests: export PYTHONDONTWRITEBYTECODE :=

quick: lint types
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" $$($(BIN)/python tools/changed_tests.py $(BASE))

# Two processes, each with whole files, or several that share what takes long to begin (TOGETHER in tests/conftest.py): a machine with two
# cores is through in little more than half the time. Each takes up to three gigabytes; with more of both: make test WORKERS=4
WORKERS ?= 2

tests: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

# PyTorch is large, so its tests have a venv of their own, which sees the other one's packages. PyPI's build for Linux brings CUDA (5 GB);
# TORCH_INDEX= takes it all the same, where the index of the builds for processors cannot be reached.
FRAMEWORKS  := .venv-frameworks
TORCH_INDEX ?= --extra-index-url https://download.pytorch.org/whl/cpu

test-frameworks: $(FRAMEWORKS)/installed
	$(FRAMEWORKS)/bin/python -m pytest -q tests/engines/test_torch_engine.py tests/engines/test_torch_parity.py \
		tests/engines/test_torch_to_onnx.py tests/engines/test_torch_device.py tests/engines/test_contract.py tests/models/test_torch_files.py

$(FRAMEWORKS)/installed: $(VENV)/installed-dev
	$(BIN)/python -m venv $(FRAMEWORKS)
	$(BIN)/python -c 'import os, site; print(site.getsitepackages()[0], os.getcwd(), sep="\n")' \
		> "$$($(FRAMEWORKS)/bin/python -c 'import site; print(site.getsitepackages()[0])')/zz_shared.pth"
	$(FRAMEWORKS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(FRAMEWORKS)/bin/python -m pip install --quiet $(TORCH_INDEX) --group frameworks
	@touch $@

# Ray and Dask are large, so they have an environment of their own, in the same way.
# Ray's workers would yield to every other process, and on a busy machine a test of kills would never end.
SCALE := .venv-scale

test-scale: $(SCALE)/installed
	RAY_worker_niceness=0 FERVIZ_TEST_SCALE=1 $(SCALE)/bin/python -m pytest tests/scale

$(SCALE)/installed: $(VENV)/installed-dev
	$(BIN)/python -m venv $(SCALE)
	$(BIN)/python -c 'import os, site; print(site.getsitepackages()[0], os.getcwd(), sep="\n")' \
		> "$$($(SCALE)/bin/python -c 'import site; print(site.getsitepackages()[0])')/zz_shared.pth"
	$(SCALE)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(SCALE)/bin/python -m pip install --quiet --group scale
	@touch $@

SECONDS ?= 20

fuzz: $(VENV)/installed-dev
	$(BIN)/python tests/hostile/fuzz --seconds $(SECONDS)

QUICK ?=

tutorial: $(VENV)/installed
	$(BIN)/python tools/tutorial $(QUICK) $(PAGES)

docs: $(VENV)/installed-docs
	rm -rf docs/gallery
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs build/docs
	$(BIN)/python tools/check_site.py build/docs
	@echo "The documentation is at $(CURDIR)/build/docs/index.html"

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ferviz needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (TensorFlow is large; a few minutes the first time) ..."
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

clean:
	rm -rf $(VENV) $(SCALE) $(FRAMEWORKS) demo dist build .pytest_cache .mypy_cache .ruff_cache docs/gallery docs/reference/api
