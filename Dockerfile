# The server alone; MongoDB runs beside it (docker-compose.yml). Runs as an ordinary user, also with a read-only root:
# it writes nothing but what it is told to, such as keys under /var/lib/fhir-server.
FROM node:22-slim AS verifier
WORKDIR /src
COPY scripts/build_verifier scripts/build_verifier
COPY fhir_server/web/verifier fhir_server/web/verifier
RUN bash scripts/build_verifier

FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/fhir-server
COPY pyproject.toml README.md LICENSE ./
COPY fhir_server fhir_server
COPY --from=verifier /src/fhir_server/web/verifier/page/vendor fhir_server/web/verifier/page/vendor
COPY profiles profiles
COPY terminology terminology
COPY signing signing
COPY examples examples
RUN /opt/fhir-server/bin/pip install --no-cache-dir .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/fhir-server --create-home fhir
COPY --from=build /opt/fhir-server /opt/fhir-server
ENV PATH=/opt/fhir-server/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER fhir
WORKDIR /var/lib/fhir-server
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/ready', timeout=4)"]
ENTRYPOINT ["fhir-server"]
# Listens inside the container only until FHIR_HOST=0.0.0.0 and, as nothing is authorised yet, FHIR_INSECURE_OPEN=true.
CMD ["serve"]
