# Everything a newcomer needs: `make run`, `make test`, `make check`. See CONTRIBUTING.md.
HOST ?= 127.0.0.1
PORT ?= 8080
DATA ?= data
ARGS ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test check bench verifier clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo "  Variables: HOST=$(HOST) PORT=$(PORT) DATA=$(DATA) (folder of the database), PYTHON (3.11 or newer), ARGS (passed on)"

run: ## Install what is missing, start MongoDB and the server with the example data
	@scripts/bootstrap embedded
	@scripts/build_verifier
	@FHIR_REFERENCES=$${FHIR_REFERENCES:-enforce} FHIR_PROFILES=$${FHIR_PROFILES:-enforce} exec $(BIN)/fhir-server serve --embedded $(DATA) --host $(HOST) --port $(PORT) --demo $(ARGS)

test: ## Install what the tests need and run all of them
	@scripts/bootstrap embedded test
	@scripts/build_verifier
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

check: ## Style, types and the walls between the rooms
	@scripts/bootstrap embedded test
	@VIRTUAL_ENV= scripts/check

verifier: ## Fetch the QR decoder of the verifier page (needs npm; run and test do it too)
	@scripts/build_verifier

bench: ## Measure; prints tables
	@scripts/bootstrap embedded test
	@$(BIN)/python -m scripts.bench $(ARGS)

clean: ## Remove what was installed or built; the database in $(DATA) stays
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
