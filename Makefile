# `make demo` and `make test` each set up all that they need on a fresh machine.
#   PYTHON       interpreter for a new .venv (3.11 or newer; found by itself when not given)
#   PIP_ARGS     more arguments for pip, such as a CPU-only index for torch
#   PYTEST_ARGS  more arguments for pytest
#   DATA         folder of data sets, for `make bench`
VENV := .venv
RUN := $(VENV)/bin/python
export PYTHON PIP_ARGS

.PHONY: help demo test test-quick lint napari docs bench screenshots system-packages clean
.NOTPARALLEL:
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up, segment scikit-image's own pictures by scripted clicks into demo/"
	@echo "make test    set up, run all tests, those of the GUI too (on a virtual display)"
	@echo "make test-quick  those that need no window and take no more than moments"
	@echo "make bench   all benchmark tables; DATA=DIR for those that need data sets"
	@echo "make lint    ruff and mypy"
	@echo "make napari  napari with the widget, on one of the demo's images"
	@echo "make docs    the documentation, into site/; a warning is an error"
	@echo "make screenshots  the README's pictures, taken anew into docs/images/"
	@echo "make clean   remove results and caches; .venv stays"

# The stamps: installed anew when pyproject.toml changed, and only then.
$(VENV)/.installed: pyproject.toml scripts/setup.sh
	scripts/setup.sh .

$(VENV)/.installed-dev: pyproject.toml scripts/setup.sh
	scripts/setup.sh ".[dev]"

system-packages:
	scripts/system-packages.sh

demo: $(VENV)/.installed
	$(RUN) scripts/demo.py

test: system-packages $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 scripts/on-display.sh $(RUN) -m pytest -m "not gui" -n 2 --dist loadfile $(PYTEST_ARGS)
	scripts/on-display.sh $(RUN) -m pytest -m gui $(PYTEST_ARGS)

test-quick: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "not gui and not slow" -n 2 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

napari: $(VENV)/.installed-dev
	test -e demo/coins_labels.tif || $(RUN) scripts/demo.py
	$(VENV)/bin/napari demo/coins.tif --with napari-gpcis "Click to mask"

bench: $(VENV)/.installed-dev
	$(RUN) scripts/bench.py $(if $(DATA),--data $(DATA))

docs: $(VENV)/.installed-dev
	$(RUN) -m mkdocs build --strict

screenshots: system-packages $(VENV)/.installed-dev
	scripts/on-display.sh $(RUN) scripts/screenshots.py

clean:
	rm -rf demo build dist site .mypy_cache .pytest_cache .ruff_cache .tox
