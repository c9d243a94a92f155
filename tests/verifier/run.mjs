// Verifies with the modules of the page: {bundle, pins, cases: [{texts, now, country}]} on standard input, Verifications on standard output.
import { text } from "node:stream/consumers";

const page = new URL("../../fhir_server/web/verifier/page/", import.meta.url);
const { read } = await import(new URL("bundle.js", page));
const { evaluate } = await import(new URL("certlogic.js", page));
const { verify } = await import(new URL("verify.js", page));

const job = JSON.parse(await text(process.stdin));
if (job.logic) {
  const said = job.logic.map(({ expression, data }) => {
    try {
      return { value: evaluate(expression, data) };
    } catch (error) {
      return { refused: error.code };
    }
  });
  process.stdout.write(JSON.stringify({ said }));
  process.exit();
}
let lists;
try {
  ({ lists } = await read(job.bundle, job.pins));
} catch (error) {
  process.stdout.write(JSON.stringify({ refused: error.code }));
  process.exit();
}
const found = [];
for (const { texts, now, country } of job.cases) found.push(await verify(texts, { ...lists, country }, now));
process.stdout.write(JSON.stringify({ found }));
