#!/usr/bin/env bash
# README's walk in one go, against a server that `make run` started. README shows the answers; a test keeps both equal.
set -euo pipefail
cd "$(dirname "$0")/.."

curl -s -H 'Content-Type: application/fhir+json' --data @examples/child.json http://127.0.0.1:8080/fhir

echo
curl -s 'http://127.0.0.1:8080/fhir/Patient?name=le+hoang+nam&birthdate=2013-05-20&_revinclude=Immunization:patient'

echo
curl -s -X POST -H 'Content-Type: application/fhir+json' -H 'Accept-Language: vi' -d '{"resourceType": "Patient", "meta": {"profile": ["https://fhir.tiemchung.vn/StructureDefinition/vn-imm-patient"]}, "identifier": [{"system": "http://fhir.hl7.org.vn/core/sid/cccd", "value": "0792130001234"}], "name": [{"text": "Lê Hoàng Nam"}], "gender": "male", "birthDate": "2013-05-20"}' http://127.0.0.1:8080/fhir/Patient

echo
curl -s -X POST -H 'Content-Type: application/fhir+json' -d '{"resourceType": "Parameters", "parameter": [{"name": "format", "valueCode": "hc1"}]}' 'http://127.0.0.1:8080/fhir/Patient/le-hoang-nam/$issue-certificate'

echo
.venv/bin/fhir-server certificate issue le-hoang-nam --png certificate.png

echo
.venv/bin/fhir-server certificate verify certificate.png --trust data/keys

echo
curl -s -X POST -H 'Content-Type: application/json' -d '{"certificate": "HC1:NOT A CERTIFICATE"}' http://127.0.0.1:8080/certificates/verify

echo
curl -s 'http://127.0.0.1:8080/fhir/Patient/$immunization-status?identifier=http://fhir.hl7.org.vn/core/sid/cccd|079213000123'
