# Each target sets up what it needs in a virtual environment of its own (VENV) from a bare clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run in so many processes at once, each some 3 GB large.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo paper test slow lint hypotheses clean

$(VENV)/run: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) -e .
	touch $@

$(VENV)/dev: $(VENV)/run
	$(PIP) -e .[dev]
	touch $@

# The main job on the embedded synthetic corpus; ends with its table and the paths of its figures.
demo: $(VENV)/run
	TFDS_DATA_DIR= $(BIN)/python -m emo_jax.main --config=configs/eanwh.py

# Every table of the paper, ours beside the published: on the corpora in DATA, from the converted
# public weights WEIGHTS; without DATA on the synthetic corpus, marked so. Ends with the pages' paths.
OUT ?= runs/paper
paper: $(VENV)/run
	TFDS_DATA_DIR= $(BIN)/python -m emo_jax.paper --out=$(OUT) $(if $(DATA),--data_dir=$(DATA)) $(if $(WEIGHTS),--weights $(WEIGHTS))

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(PYTEST) -m 'not slow'

# TensorFlow stays in an environment of its own: training must work without it.
$(VENV)-tfds/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-tfds
	$(VENV)-tfds/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
	$(VENV)-tfds/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .[tfds,bobsl]
	touch $@

slow: $(VENV)/dev $(VENV)-tfds/done
	EMO_JAX_TFDS=$(VENV)-tfds/bin/tfds $(PYTEST) -m slow

# The paper's three hypotheses with their controls, on the synthetic corpus.
hypotheses: $(VENV)/run
	$(BIN)/python -m emo_jax.hypotheses --out=runs/hypotheses --hidden=128,64

clean:
	rm -rf $(VENV) $(VENV)-tfds *.egg-info
