# Each target sets up what it needs first. Extra arguments: make serve ARGS="--port 9000"

ARGS ?=
EXTRA ?= core
BIN := .venv/bin
SETUP := PYTHON="$(PYTHON)" scripts/setup.sh
DEFAULT_MODEL := smollm2-135m-instruct
SOAK := tests/store tests/server/test_crash.py tests/server/test_every_route.py tests/weights/formats tests/frontends/gradio/test_allow_list.py

.DEFAULT_GOAL := help
.PHONY: help serve test wheel-test bench soak clean

help:  ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

serve:  ## Install the core (with PyTorch: EXTRA=torch), download a small model, start the server.
	@$(SETUP) $(EXTRA)
	@exec $(BIN)/parley serve $(ARGS)

test:  ## Run linter, type checks, layer rules and all tests, with the default model and a browser.
	@$(SETUP) dev programs
	@$(BIN)/parley models pull $(DEFAULT_MODEL)
	@exec $(BIN)/python scripts/check.py $(ARGS)

wheel-test:  ## Build the wheel, install it into a new environment, start it in an empty folder, chat.
	@$(SETUP) dev
	@exec $(BIN)/python scripts/try_wheel.py

bench:  ## Run the benchmarks; several minutes on an otherwise idle machine.
	@$(SETUP) dev programs
	@$(BIN)/parley models pull $(DEFAULT_MODEL)
	@exec $(BIN)/python -m benchmarks $(ARGS)

soak:  ## Run the long tests of crashes, damage and attacks, with figures; about twenty minutes on an otherwise idle machine.
	@$(SETUP) dev programs
	@$(BIN)/parley models pull $(DEFAULT_MODEL)
	@PARLEY_TEST_KILLS=200 $(BIN)/pytest -m '' --timeout 3600 --durations 10 $(SOAK)
	@$(BIN)/python -m benchmarks overload
	@$(BIN)/python -m benchmarks.hostile_replies
	@exec $(BIN)/python -m benchmarks.hostile_code

clean:  ## Remove .venv, build results and caches; keep data/ and model_store/.
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find app frontends tests benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +
