# Everything a developer, a user of the repository and CI do, by one name each. `make` lists the names.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
KAFKA_JARS := tests/kafka/lib/.complete
ARGS ?=
PYTEST_ARGS ?=
SECONDS ?= 60
FAULTS ?= 20

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo run test lint types imports check integration fuzz mutants crash recovery bench format lock clean services

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Make .venv with every dependency, pinned and checked by hash; quick when nothing changed

demo: setup ## The main job with nothing installed beside the package; ARGS="--once" ends by itself
	$(BIN)/audience-worker demo $(ARGS)

run: setup ## One worker replica against the servers of the AW_ settings
	$(BIN)/audience-worker run $(ARGS)

test: setup services ## The whole test suite, with a real Kafka and Redis
	$(BIN)/pytest $(PYTEST_ARGS)

integration: setup services ## Only what needs a real Kafka and Redis
	$(BIN)/pytest -m integration $(PYTEST_ARGS)

fuzz: setup ## Random schedules of crashes and faults over the whole engine; SECONDS=600, ARGS="--replay SEED --trace"
	$(BIN)/python -m tests.simulation $(if $(ARGS),$(ARGS),--seconds $(SECONDS))

mutants: setup services ## Break the code in every way that matters; some test must catch each
	$(BIN)/python -m tests.mutants $(ARGS)

crash: setup mortals ## Kill workers, Kafka and Redis, read what was committed; FAULTS=500, SEED=7, ARGS=--cluster
	$(BIN)/python -m tests.crash --faults $(FAULTS) $(if $(SEED),--seed $(SEED)) $(ARGS)

recovery: setup mortals ## How long readers wait when a worker dies or is restarted; ARGS="--runs 5"
	$(BIN)/python -m tests.crash.recovery $(ARGS)

bench: setup services ## Measure; prints the tables and writes them to docs/benchmarks.md; ARGS=--no-page
	$(BIN)/python -m tests.benchmarks $(ARGS)

check: lint types imports ## All that can be checked without running the code

lint: setup ## Style and likely mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy --strict
	$(BIN)/mypy

imports: setup ## Who may import whom
	$(BIN)/lint-imports --no-logo

format: setup ## Rewrite the layout of the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: ## Pin all dependencies anew
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PYTHON) -m venv "$$folder" && \
	"$$folder/bin/pip" install --quiet uv && \
	"$$folder/bin/uv" pip compile --quiet --universal --upgrade --extra dev --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --output-file "$$folder/lock" pyproject.toml && \
	{ head -n 1 requirements.lock; cat "$$folder/lock"; } > "$$folder/requirements.lock" && \
	mv "$$folder/requirements.lock" requirements.lock

clean: ## Remove what the other verbs made
	rm -rf $(VENV) tests/kafka/lib .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache \
		.coverage htmlcov dist build

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# --no-deps: the lock is whole, and pip would resolve extras again, past what is pinned.
	$(BIN)/pip install --quiet --require-hashes --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# --- servers for the tests -------------------------------------------------------------------------------
# Servers that are running already are used instead when these name them; then nothing is fetched.
ifneq ($(and $(TEST_KAFKA_BOOTSTRAP_SERVERS),$(TEST_REDIS_URL)),)
services:
else
services: redis-server $(KAFKA_JARS)
endif

.PHONY: redis-server mortals
mortals: redis-server $(KAFKA_JARS) # servers that are killed are always our own

redis-server:
	@command -v redis-server > /dev/null || $(call install,redis-server,redis-server)

$(KAFKA_JARS): tests/kafka/pom.xml
	@command -v java > /dev/null || $(call install,openjdk-17-jre-headless,Java 17)
	@command -v mvn > /dev/null || $(call install,maven,Maven)
	mvn -q -B -f tests/kafka/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DoutputDirectory=$(CURDIR)/tests/kafka/lib
	@touch $@

# $(call install,Debian package,what it is): install it where that may be done unasked, as in CI; else say so.
define install
if test "$$(id -u)" = 0 && command -v apt-get > /dev/null; then \
	apt-get update --quiet --quiet && \
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends $(1) > /dev/null; \
else echo "$(2) is needed for the tests: install it, or set TEST_KAFKA_BOOTSTRAP_SERVERS and TEST_REDIS_URL" >&2; \
	exit 1; fi
endef
