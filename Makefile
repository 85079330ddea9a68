# One command each on a fresh clone: `make demo` (train, then evaluate) and `make test`.

PYTHON ?= python3
# Of what is installed a part is ever imported: compiled then, not all of it (a minute) before.
INSTALL := install --quiet --no-compile --constraint constraints.txt
VENV   := .venv
BIN    := $(VENV)/bin
SEED   ?= 100

.PHONY: install demo test faults check docs bench wheel clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip $(INSTALL) --editable ".[metaworld,box2d,atari,minigrid,robotics,report,serve,export,play,tune,docs,dev]"
	touch $@

# Train the arm (3 to 6 minutes on 2 cores), judge it on the official Meta-World package, and write the page that shows
# what its options did, with videos.
demo: install
	$(BIN)/option-critic train pick-place --seeds $(SEED) --out runs/demo --overwrite
	$(BIN)/option-critic evaluate runs/demo/seed-$(SEED) --goals D
	$(BIN)/option-critic diagnose runs/demo/seed-$(SEED) --goals D --no-ablations
	$(BIN)/option-critic report runs/demo/seed-$(SEED) --videos

# Four files at a time, on two cores: a third of the time is waited for processes that are started.
test: check
	$(BIN)/pytest -n 4 --dist loadfile

# About an hour of provoked faults: trainings, workers and machines of a cluster killed, disks full, files damaged, changed
# and replaced by links.
faults: install
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[ray]"
	$(BIN)/pytest -m faults tests/faults tests/sweeps

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The documentation as a site, in site/: the tutorials are run, and warnings and dead links are errors.
docs: install
	$(BIN)/python website/build_site.py

bench: install
	$(BIN)/pip $(INSTALL) --editable ".[metaworld,atari,rivals]"
	mkdir -p runs
	$(BIN)/option-critic bench --json runs/bench.json
	$(BIN)/python experiments/rivals.py --json runs/rivals.json

# Build the wheel, install it without the checkout, train from there.
wheel: install
	rm -rf dist .wheel-venv
	$(BIN)/python -m build --wheel --outdir dist .
	$(PYTHON) -m venv .wheel-venv
	.wheel-venv/bin/pip $(INSTALL) dist/*.whl
	cd .wheel-venv && bin/option-critic --help
	cd .wheel-venv && bin/python -c "from importlib.resources import files; files('option_critic.report').joinpath('assets/page.html').read_text()"
	cd .wheel-venv && bin/option-critic train CartPole-v1 --total-timesteps 4096 --out try --overwrite
	cd .wheel-venv && bin/option-critic evaluate try/seed-0 --episodes 5
	rm -rf .wheel-venv

clean:
	rm -rf $(VENV) .wheel-venv dist build/website site .mypy_cache .ruff_cache .pytest_cache
