/** Health certificates "HC1:…" (DCC, DDCC, ICVP), judged as `signing/hcert.py` does. */
import * as base45 from "./base45.js";
import { toBase64 } from "./bytes.js";
import { loads, plain } from "./cbor.js";
import * as cose from "./cose.js";
import { inflate } from "./inflate.js";
import { verifies } from "./keys.js";
import { Refused } from "./refused.js";
import { hashes } from "./revocation.js";
import { apply } from "./rules.js";
import { Stages, keyUsage, period, signerValidity, timeProblem } from "./stages.js";

const PREFIX = "HC1:";
const ISSUER = 1;
const EXPIRES = 4;
const ISSUED = 6;
const HCERT = -260;
const DDCC_TR = 4;
const FORMATS = new Map([[1, "dcc"], [3, "ddcc"], [DDCC_TR, "ddcc"], [-6, "icvp"]]);

/** Verify `text` against `lists` at `now` (seconds since 1970); return the Verification of stages.js. It throws nothing. */
export async function verify(text, lists, now) {
  const stages = new Stages();
  try {
    const packed = await stages.run("prefix", () => unprefix(text));
    const compressed = await stages.run("base45", () => base45.decode(packed));
    const content = await stages.run("inflate", () => inflate(compressed));
    const [message, claims] = await stages.run("cbor", () => read(content));
    return await judge(stages, message, claims, lists, now);
  } catch (error) {
    if (error instanceof Refused) return stages.verification();
    throw error;
  }
}

function unprefix(text) {
  if (text.startsWith(PREFIX)) return text.slice(PREFIX.length);
  throw new Refused(text.slice(0, PREFIX.length).toUpperCase() === PREFIX ? "prefix-lower-case" : "prefix-missing");
}

function read(content) {
  const message = cose.parse(content);
  const claims = loads(message.payload);
  if (!(claims instanceof Map)) throw new Refused("not-cwt");
  return [message, claims];
}

async function judge(stages, message, claims, lists, now) {
  const country = typeof claims.get(ISSUER) === "string" ? claims.get(ISSUER) : null;
  const [key, candidates] = select(message, country, lists);
  stages.set("algorithm", message.algorithm ? "ok" : "unsupported-algorithm");
  stages.set("key", key);
  const signer = await signed(message, candidates);
  if (candidates.length) stages.set("signature", signer ? "ok" : "bad-signature");
  // A single candidate is judged even when the signature is not its own: whoever looks for the fault wants to know.
  const single = candidates.length ? candidates : lists.signers;
  const presumed = signer ?? (single.length === 1 ? single[0] : null);
  const said = certificate(claims);
  const [issued, expires] = times(claims, said);
  stages.set("claims", period(issued, expires, now));
  stages.set("signer-validity", signerValidity(presumed, expires, now));
  stages.set("key-usage", keyUsage(presumed, said.kinds));
  const made = await hashes(country ?? "", said.identifiers, message.signature, message.algorithm);
  stages.set("revocation", lists.revoked(made) ? "revoked" : "ok");
  stages.set("content", said.code);
  stages.set("rules", rules(message, claims, said, lists, now));
  return stages.verification({
    format: said.format,
    content: said.payload,
    issuer: country,
    issued: timeProblem(issued) ? null : Number(issued),
    expires: timeProblem(expires) ? null : Number(expires),
    trusted: signer !== null && said.payload !== null,
    signedBy: signer?.country ?? null,
  });
}

/** Return the code of the stage that applies business rules, which there are for DCC only. */
function rules(message, claims, said, lists, now) {
  if (!lists.rules.length) return "not-checked";
  if (said.format !== "dcc" || !said.payload) return "not-applicable";
  const written = (claim) => (timeProblem(claim) ? null : new Date(Number(claim) * 1000).toISOString());
  return apply(lists, lists.country, said.payload, now, {
    issuerCountryCode: claims.get(ISSUER) ?? null,
    iat: written(claims.get(ISSUED)),
    exp: written(claims.get(EXPIRES)),
    kid: toBase64(message.kid ?? []),
  });
}

/** Return the code of the stage of the key, and every listed signer that may have signed: the kid is only a hint. */
function select(message, country, lists) {
  if (!message.algorithm) return ["not-reached", []];
  if (!message.kid?.length) return ["kid-missing", []];
  const kid = toBase64(message.kid);
  const known = lists.signers.filter((signer) => signer.kid === kid);
  if (!known.length) return ["unknown-signer", []];
  const fitting = known.filter((signer) => signer.alg === message.algorithm);
  if (!fitting.length) return ["key-type-mismatch", []];
  return ["ok", fitting.sort((one, other) => Number(other.country === country) - Number(one.country === country))];
}

async function signed(message, candidates) {
  const data = cose.toBeSigned(message);
  for (const signer of candidates) if (await verifies(signer.jwk, message.signature, data)) return signer;
  return null;
}

function certificate(claims) {
  const [kind, value] = inside(claims);
  const said = { code: "no-certificate", format: null, payload: null, kinds: null, identifiers: [] };
  if (!(value instanceof Map)) return said;
  said.format = FORMATS.get(kind);
  try {
    said.payload = plain(value);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { ...said, code: error.code };
  }
  const { payload } = said;
  if (said.format === "dcc") {
    const entries = ["v", "t", "r"].flatMap((group) => (Array.isArray(payload[group]) ? payload[group] : []));
    const identifiers = entries.map((entry) => entry?.ci).filter((ci) => typeof ci === "string");
    const kinds = ["v", "t", "r"].filter((group) => (Array.isArray(payload[group]) ? payload[group].length : payload[group]));
    return { ...said, code: "ok", kinds, identifiers };
  }
  if (said.format === "icvp") return { ...said, code: "ok", kinds: ["v"] };
  const identifiers = typeof payload.hcid === "string" ? [payload.hcid] : [];
  return { ...said, code: "ok", kinds: [kind === DDCC_TR ? "t" : "v"], identifiers };
}

/** Return which kind of certificate is inside, and itself; early DDCC are the claims themselves. */
function inside(claims) {
  const hcert = claims.get(HCERT);
  if (hcert instanceof Map) {
    const kind = [...FORMATS.keys()].find((each) => hcert.has(each));
    return [kind, hcert.get(kind)];
  }
  const bare = new Map([...claims].filter(([name]) => typeof name === "string"));
  return typeof bare.get("hcid") === "string" ? [3, bare] : [null, null];
}

/** Return from when to when the certificate is valid; an early DDCC says it in its content, or not at all. */
function times(claims, said) {
  if (said.format === "ddcc" && !claims.has(HCERT) && !claims.has(EXPIRES)) {
    return [day(said.payload?.valid_from), day(said.payload?.valid_until)];
  }
  return [claims.get(ISSUED), claims.get(EXPIRES)];
}

function day(text) {
  if (text === undefined || text === null) return null;
  const zoned = typeof text === "string" && /T.*(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}${/T/.test(text) ? "Z" : ""}`;
  return Date.parse(zoned) / 1000;
}
