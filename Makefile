# demo: environment, install and the main job on synthetic scenes. The rest: as in CI.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUT ?= runs/demo

.PHONY: demo test test-backends check install clean

demo: install
	$(BIN)/segshrink compress synthetic --recipe recipes/demo.yaml --out $(OUT)

test: install
	scripts/test $(BIN)

test-backends: install
	scripts/test-backends $(BIN)

check: install
	scripts/check $(BIN)

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml scripts/install
	scripts/install $(PYTHON) $(VENV)
	touch $@

clean:
	rm -rf $(VENV) runs build dist
