# Each target sets up all that it needs, then does its job. Extra arguments: make serve ARGS="--port 9000"

ARGS ?=
EXTRA ?= core
BIN := .venv/bin
SETUP := PYTHON="$(PYTHON)" scripts/setup.sh
DEFAULT_MODEL := smollm2-135m-instruct

.DEFAULT_GOAL := help
.PHONY: help serve test wheel-test bench clean

help:  ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

serve:  ## Chat: install the light core (EXTRA=torch: PyTorch too), fetch a small model, start the server.
	@$(SETUP) $(EXTRA)
	@exec $(BIN)/parley serve $(ARGS)

test:  ## Lint, types, layers and all tests, on the real default model and in a real browser.
	@$(SETUP) dev page
	@$(BIN)/parley models pull $(DEFAULT_MODEL)
	@exec $(BIN)/python scripts/check.py $(ARGS)

wheel-test:  ## Build the wheel, install it elsewhere, start it in an empty folder, chat.
	@$(SETUP) dev
	@exec $(BIN)/python scripts/try_wheel.py

bench:  ## What the performance claims rest on; several minutes on an otherwise idle machine.
	@$(SETUP) dev page
	@$(BIN)/parley models pull $(DEFAULT_MODEL)
	@exec $(BIN)/python -m benchmarks $(ARGS)

clean:  ## Remove what was installed and built; data/ and model_store/ stay.
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find app frontends tests benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +
