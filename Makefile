# make demo   set up and upscale a sample          make test   set up and run all tests
# make lint   style and types                      make clean  remove what these made

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   := build/demo

.PHONY: demo test lint clean

demo: $(VENV)/installed
	mkdir -p $(DEMO)
	$(BIN)/vsr upscale samples/scene.mkv -x 2 -o $(DEMO)/scene.x2.mkv --overwrite
	@echo "The larger film: $(DEMO)/scene.x2.mkv"

test: $(VENV)/installed-test
	$(BIN)/pytest -n 2

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	touch $@

clean:
	rm -rf $(VENV) build
