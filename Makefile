# demo: environment, install and the main job on synthetic scenes. test, check: as in CI.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUT ?= runs/demo

.PHONY: demo test check install clean

demo: install
	$(BIN)/segshrink compress synthetic --recipe recipes/demo.yaml --out $(OUT)

test: install
	scripts/test $(BIN)

check: install
	scripts/check $(BIN)

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml scripts/install
	scripts/install $(PYTHON) $(VENV)
	touch $@

clean:
	rm -rf $(VENV) runs build dist
