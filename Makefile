# make dashboard   set up if needed, then open the dashboard in the browser
# make lab         set up if needed, then open JupyterLab on notebooks/
# make test        set up if needed, then everything that continuous integration checks
# make test-slow   the tests that take minutes
# make test-arm    the kernel tests on 64-bit Arm, emulated; on Debian and Ubuntu
# make format      put the code in its standard form
# make clean       remove the environment and every cache
#
# Another interpreter: make PYTHON=python3.12 dashboard

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: dashboard lab test test-slow test-arm format clean chromium

dashboard: $(STAMP)
	$(BIN)/workbench dashboard

lab: $(STAMP)
	$(BIN)/workbench lab

# Every group runs, so that one call shows all that is wrong. The tests of a file share what they set up, so each file
# goes to one process, of as many as there are processors, the long notebooks first, so that none ends alone; the browser
# and what it talks to need all of them at once.
test: $(STAMP) chromium
	@failed=; \
	for check in "ruff check" "ruff format --check" "mypy" "lint-imports" \
		"pytest --numprocesses logical --dist loadfile --no-loadscope-reorder --nbmake notebooks tests --ignore tests/browser" \
		"pytest tests/browser"; do \
		echo "== $$check"; \
		$(BIN)/$$check || failed="$$failed, $$check"; \
	done; \
	[ -z "$$failed" ] || { echo "Failed: $${failed#, }." >&2; exit 1; }

test-slow: $(STAMP) chromium
	$(BIN)/pytest -p tests.measured -m slow --measured-to docs/measured.md

test-arm: $(STAMP)
	tests/arm/run

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv build dist artifacts *.egg-info
	rm -rf .grimp_cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed and '$(PYTHON)' is not: name one, as in make PYTHON=python3.12." >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments: install its venv package (on Debian python3-venv)." >&2; \
		exit 1; }
	@echo "Setting up .venv; the first time this takes a few minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

# The browser tests drive Chromium or Chrome. Where apt-get is at hand it is installed, elsewhere asked for.
chromium:
	@for name in chromium chromium-browser google-chrome; do \
		command -v $$name >/dev/null && exit 0; \
	done; \
	if ! command -v apt-get >/dev/null; then \
		echo "The browser tests need Chromium or Chrome: install one so that 'chromium' is on the PATH." >&2; \
		exit 1; \
	fi; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	$$as_root apt-get update --quiet && \
	$$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install --quiet --yes --no-install-recommends chromium fonts-liberation
