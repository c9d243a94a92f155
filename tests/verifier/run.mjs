// Verifies with the modules of the page: {bundle, pins, cases: [{texts, now}]} on standard input, Verifications on standard output.
import { text } from "node:stream/consumers";

const page = new URL("../../fhir_server/web/verifier/page/", import.meta.url);
const { read } = await import(new URL("bundle.js", page));
const { verify } = await import(new URL("verify.js", page));

const job = JSON.parse(await text(process.stdin));
let lists;
try {
  ({ lists } = await read(job.bundle, job.pins));
} catch (error) {
  process.stdout.write(JSON.stringify({ refused: error.code }));
  process.exit();
}
const found = [];
for (const { texts, now } of job.cases) found.push(await verify(texts, lists, now));
process.stdout.write(JSON.stringify({ found }));
