# demo: environment, install and the main job on synthetic scenes. The rest: as in CI.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Stamps of an environment with what the main job needs, and of one with everything.
MAIN := $(VENV)/.main
ALL := $(VENV)/.all
OUT ?= runs/demo
# Bad inputs to try; a call that was stopped goes on.
INPUTS ?= 10000
SEED ?= 0

# Kills to send to runs; a call that was stopped goes on.
KILLS ?= 100

.PHONY: demo docs check test test-all test-backends test-wheel dist fuzz kills install clean

demo: $(MAIN)
	$(BIN)/segshrink compress synthetic --recipe recipes/demo.yaml --out $(OUT)

docs: install
	$(BIN)/zensical build --strict

check: install
	scripts/check $(BIN)

test: install
	scripts/test $(BIN) -m "smoke or not (export or training or backends or e2e)"

test-all: install
	scripts/test $(BIN)

test-backends: install
	scripts/test-backends $(BIN)

test-wheel: install
	$(BIN)/python scripts/test-wheel

dist: test-wheel
	scripts/sbom $(BIN)

fuzz: install
	PYTHONPATH=tests $(BIN)/python -m fuzz.run --inputs $(INPUTS) --seed $(SEED) \
		--work runs/fuzz --record benchmarks/bad_input.json
	$(BIN)/python scripts/readme

kills: install
	PYTHONPATH=tests $(BIN)/python -m kills.run --kills $(KILLS) --work runs/kills \
		--record benchmarks/kills.json
	$(BIN)/python scripts/readme

install: $(ALL)

$(MAIN): requirements-main.lock pyproject.toml scripts/install
	scripts/install $(PYTHON) $(VENV) requirements-main.lock
	touch $@

$(ALL): requirements.lock pyproject.toml scripts/install
	scripts/install $(PYTHON) $(VENV)
	touch $@ $(MAIN)

clean:
	rm -rf $(VENV) runs build dist
