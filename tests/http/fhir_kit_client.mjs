// What users of fhir-kit-client do: node fhir_kit_client.mjs BASE PATIENT TRANSACTION
// https://github.com/Vermonster/fhir-kit-client#readme
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';

const [base, patient, transaction] = process.argv.slice(2).map((text, at) => (at ? JSON.parse(text) : text));
const client = new Client({ baseUrl: base });
const resourceType = 'Patient';
const system = patient.identifier[0].system;

const statement = await client.capabilityStatement();
assert.equal(statement.fhirVersion, '4.0.1');

const created = await client.create({ resourceType, body: patient });
assert.equal((await client.read({ resourceType, id: created.id })).meta.versionId, '1');
const same = await client.create({
  resourceType, body: patient, options: { headers: { 'If-None-Exist': `identifier=${system}|kit-0` } },
});
assert.equal(same.id, created.id);

const updated = await client.update({ resourceType, id: created.id, body: { ...created, active: true } });
assert.equal(updated.meta.versionId, '2');
const conditional = await client.update({
  resourceType, searchParams: { identifier: `${system}|kit-0` }, body: { ...created, active: false },
});
assert.equal(conditional.meta.versionId, '3');
const patched = await client.patch({
  resourceType, id: created.id, jsonPatch: [{ op: 'replace', path: '/gender', value: 'other' }],
});
assert.equal(patched.gender, 'other');
assert.equal((await client.vread({ resourceType, id: created.id, version: '1' })).gender, 'male');
assert.equal((await client.history({ resourceType, id: created.id })).entry.length, 4);

const others = Array.from({ length: 6 }, (_, number) => ({
  ...patient, identifier: [{ system, value: `kit-${number + 1}` }],
}));
for (const body of others) await client.create({ resourceType, body });
let page = await client.search({ resourceType, searchParams: { family: 'kitx', _count: 3 } });
const found = new Set();
while (page) {
  page.entry.forEach(({ resource }) => found.add(resource.id));
  page = await client.nextPage({ bundle: page });
}
assert.equal(found.size, 7);
const posted = await client.search({
  resourceType, searchParams: { family: 'kitx' }, options: { postSearch: true },
});
assert.equal(posted.entry.length, 7);

const stored = await client.transaction({ body: transaction });
assert.deepEqual(stored.entry.map(({ response }) => response.status.slice(0, 3)), ['201', '201']);
const [, mother] = stored.entry[0].response.location.split('/');
const doses = await client.compartmentSearch({ resourceType: 'Immunization', compartment: { resourceType, id: mother } });
assert.equal(doses.entry.length, 1);
const everything = await client.operation({ name: 'everything', resourceType, id: mother, method: 'GET' });
assert.equal(everything.entry.length, 2);
const batch = await client.batch({
  body: { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `Patient/${mother}` } }] },
});
assert.equal(batch.entry[0].resource.id, mother);

await client.delete({ resourceType, id: created.id });
await assert.rejects(client.read({ resourceType, id: created.id }), (error) => error.response.status === 410);
console.log('done');
