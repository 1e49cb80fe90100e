# `make demo` and `make test` set everything up themselves; a second call installs nothing.
PYTHON ?= python3
BIN := .venv/bin
# Processes that the tests are spread over, a file of tests at a time.
WORKERS ?= 2
# One thread for each: models as small as those of the tests only wait for their own threads.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo test check format bench app setup setup-bench clean

demo: setup
	$(BIN)/python -m curate build sample

test: setup-dev
	$(TEST) -m "not long"

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(TEST)

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-bench
	$(BIN)/python benchmarks/readers.py
	$(BIN)/python benchmarks/cleaning.py
	$(BIN)/python benchmarks/filters.py
	$(BIN)/python benchmarks/language.py
	$(BIN)/python benchmarks/minhash.py
	$(BIN)/python benchmarks/embed.py
	$(BIN)/python benchmarks/semantic.py
	$(BIN)/python benchmarks/decontamination.py
	$(BIN)/python benchmarks/ifd.py
	$(BIN)/python benchmarks/selection.py
	$(BIN)/python benchmarks/verbs.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/train.py --trl .venv-trl/bin/python
	$(BIN)/python benchmarks/neftune.py
	$(BIN)/python benchmarks/ratings.py --peers .venv-ratings/bin/python
	$(BIN)/python benchmarks/perplexity.py --lm-eval .venv-lm-eval/bin/python
	$(BIN)/python benchmarks/lm_eval.py --lm-eval .venv-lm-eval/bin/python
	$(BIN)/python benchmarks/build.py
	$(BIN)/python benchmarks/review.py

app: setup
	@test -d runs/sample || $(BIN)/python -m curate build sample
	$(BIN)/streamlit run app.py

clean:
	rm -rf .venv .venv-lm-eval .venv-peers .venv-ratings .venv-trl runs .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info

setup: .venv/installed
setup-dev: .venv/installed-dev
setup-bench: .venv/installed-bench

# The stamp is written last: an interrupted install is taken up again.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 demo")'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,ray]'
	@touch $@

.venv/installed-bench: .venv/installed-dev benchmarks/peers.txt benchmarks/peers-lm-eval.txt benchmarks/peers-ratings.txt benchmarks/peers-trl.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	$(PYTHON) -m venv .venv-ratings
	.venv-ratings/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers-ratings.txt
	$(PYTHON) -m venv .venv-trl
	.venv-trl/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r benchmarks/peers-trl.txt
	$(PYTHON) -m venv .venv-lm-eval
	.venv-lm-eval/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r benchmarks/peers-lm-eval.txt
	@touch $@
