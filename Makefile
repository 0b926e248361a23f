# make demo: everything on this machine, with a project to label. make test: set-up and the whole test suite. make check: ruff, mypy, known vulnerabilities. make bench: the benchmarks.
SHELL := bash
# PYTHON=... names the Python to make the environments with; left out: the newest of 3.13, 3.12 and 3.11 that is found.
export PYTHON
BIN := .venv/bin
LABEL_STUDIO := .venv-label-studio

.PHONY: setup environments python programs test check bench demo
setup: environments programs
environments: .venv/.ready $(LABEL_STUDIO)/.ready

# Says which Python each environment has or gets, and what to do where that cannot be; before anything is installed.
python:
	@.ci/python .venv > /dev/null && .ci/python $(LABEL_STUDIO) > /dev/null

.venv/.ready: requirements.txt tests/requirements.txt | python
	@echo "Installing this project's libraries into .venv (6 GB, some minutes)"
	"$$(.ci/python .venv 2> /dev/null)" -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r requirements.txt -r tests/requirements.txt
	$(BIN)/pip install --quiet --no-deps label-studio-ml==1.0.9
	touch $@

# Label Studio pins an older rq and redis, so it lives in an environment of its own.
$(LABEL_STUDIO)/.ready: | python
	@echo "Installing Label Studio into $(LABEL_STUDIO) (1 GB, a minute or two)"
	"$$(.ci/python $(LABEL_STUDIO) 2> /dev/null)" -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/pip install --quiet --upgrade pip
	$(LABEL_STUDIO)/bin/pip install --quiet label-studio==1.23.2
	@echo "Making an empty database for Label Studio, which every later first start copies"
	LABEL_STUDIO_BASE_DATA_DIR="$(CURDIR)/$(LABEL_STUDIO)/new" COLLECT_ANALYTICS=false LATEST_VERSION_CHECK=false SENTRY_DSN= \
	  FRONTEND_SENTRY_DSN= $(LABEL_STUDIO)/bin/label-studio version > /dev/null
	touch $@

# Only the tests of pages need Chromium, and only that of two annotators PostgreSQL. Without them these are skipped, or fail where CI=true.
programs:
	@missing=; \
	command -v chromium > /dev/null && command -v chromedriver > /dev/null || missing="chromium chromium-driver"; \
	command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || missing="$$missing postgresql"; \
	install="apt-get install --yes --no-install-recommends $$missing"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing for the tests of pages: $$missing"; \
	  { apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive $$install --quiet=2 > /dev/null; } \
	    || echo "Could not install it; the tests of pages need it: $$install"; \
	else \
	  echo "Without $$missing some tests of pages are skipped. On Debian: sudo $$install"; \
	fi

# Settings and secrets of docker-compose.yml: the empty lines of passwords and keys are filled. An existing file stays as it is.
.env:
	@umask 077 && while IFS= read -r line; do case "$$line" in \
	  [A-Z]*_PASSWORD= | [A-Z]*_PASS= | [A-Z]*_KEY=) echo "$$line$$(head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n')" ;; \
	  *) printf '%s\n' "$$line" ;; esac; done < .env.example > .env.new && mv .env.new .env
	@echo "Wrote .env with secrets of your own; look it through, then: docker compose up --detach --build"

# One thread a process: the tests' networks are tiny, and threads that wait for each other on busy cores cost forty times the work.
# Three processes on two cores, because a part of the time is waiting for servers; which tests stay together, tests/conftest.py says.
test: export OMP_NUM_THREADS = 1
# Each process reads what the first one has compiled, also where images of containers forbid it.
test: export PYTHONDONTWRITEBYTECODE =
test: setup
	$(BIN)/python -m pytest -m "not benchmark" --ignore=tests/benchmarks --numprocesses 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

check: .venv/.ready .venv-audit/.ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/python .ci/audit.py .venv-audit/bin/pip-audit "$$(echo .venv/lib/python3*/site-packages)"

# In an environment of its own, as it brings a dozen libraries that nothing here runs on.
.venv-audit/.ready: | .venv/.ready
	$(BIN)/python -m venv .venv-audit
	.venv-audit/bin/pip install --quiet pip-audit==2.10.1
	touch $@

# Both environments are set up side by side, because most of that time is waiting for downloads.
# DEMO_IMAGES=folder DEMO_MASKS=folder: own images, and masks of the same names. DEMO_ARGS=--exit: stop when the order is written.
demo:
	@$(MAKE) --no-print-directory -j2 environments
	@$(BIN)/python -m backend.demo $(if $(DEMO_IMAGES),--images "$(DEMO_IMAGES)") $(if $(DEMO_MASKS),--masks "$(DEMO_MASKS)") $(DEMO_ARGS)

bench: setup
	$(BIN)/python -m pytest -m benchmark -s tests/benchmarks $(ARGS)
