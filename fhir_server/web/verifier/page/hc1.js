/** Health certificates "HC1:…", verified stage by stage, offline. The stages and codes are those of `signing/verify.py`. */
import * as base45 from "./base45.js";
import { loads, plain } from "./cbor.js";
import * as cose from "./cose.js";
import { inflate } from "./inflate.js";
import { hashes } from "./revocation.js";
import { Refused } from "./refused.js";
import { Stages, same, toBase64 } from "./stages.js";
import { verifies } from "./keys.js";

const PREFIX = "HC1:";
const ISSUER = 1;
const EXPIRES = 4;
const ISSUED = 6;
const HCERT = -260;
const DCC = 1;
const SKEW = 5 * 60; // seconds by which an issuer's clock may be ahead of ours
const LAST_SECOND = 253402300799; // of the year 9999

// HCERT A.4; the second arc is a misprint that many states' certificates carry.
const USAGES = new Map(
  ["1.3.6.1.4.1.1847.2021.1.", "1.3.6.1.4.1.0.1847.2021.1."].flatMap((arc) => [
    [`${arc}1`, "t"],
    [`${arc}2`, "v"],
    [`${arc}3`, "r"],
  ]),
);

/** Verify `text` against `lists` at `now` (seconds since 1970); return the Verification of stages.js. It never throws. */
export async function verify(text, lists, now) {
  const stages = new Stages();
  let message;
  let claims;
  try {
    const packed = stages.run("prefix", () => unprefix(text));
    const compressed = stages.run("base45", () => base45.decode(packed));
    const content = await stages.wait("inflate", inflate(compressed));
    [message, claims] = stages.run("cbor", () => {
      const read = cose.parse(content);
      const map = loads(read.payload);
      if (!(map instanceof Map)) throw new Refused("not-cwt");
      return [read, map];
    });
  } catch (error) {
    if (error instanceof Refused) return stages.verification("HC1");
    throw error;
  }
  return judge(stages, message, claims, lists, now);
}

function unprefix(text) {
  if (text.startsWith(PREFIX)) return text.slice(PREFIX.length);
  throw new Refused(text.slice(0, 4).toUpperCase() === PREFIX ? "prefix-lower-case" : "prefix-missing");
}

async function judge(stages, message, claims, lists, now) {
  const country = typeof claims.get(ISSUER) === "string" ? claims.get(ISSUER) : null;
  const candidates = select(stages, message, country, lists);
  const signer = await sign(stages, message, candidates);
  // A single candidate is judged even when the signature is not its own: whoever looks for the fault wants to know.
  const presumed = signer ?? (candidates.length === 1 ? candidates[0] : null);
  const issued = claims.get(ISSUED);
  const expires = claims.get(EXPIRES);
  stages.set("claims", times(issued, expires, now));
  stages.set("signer-validity", validity(presumed, expires, now));
  const hcert = claims.get(HCERT);
  const payload = read(stages, hcert instanceof Map ? hcert.get(DCC) : null);
  stages.set("key-usage", usage(presumed, payload));
  await revoked(stages, message, payload, country, lists, presumed);
  return stages.verification("HC1", {
    content: payload,
    issuer: country,
    issued: time(issued) ? null : issued,
    expires: time(expires) ? null : expires,
    trusted: signer !== null && payload !== null,
    signer,
  });
}

function select(stages, message, country, lists) {
  if (!message.algorithm) {
    stages.fail("algorithm", "unsupported-algorithm");
    return [];
  }
  stages.pass("algorithm");
  if (!message.kid?.length) {
    stages.fail("key", "kid-missing");
    return [];
  }
  const known = lists.signers.filter((signer) => signer.kid === toBase64(message.kid));
  const fitting = known.filter((signer) => signer.algorithm === message.algorithm);
  if (!fitting.length) {
    stages.fail("key", known.length ? "key-type-mismatch" : "unknown-signer");
    return [];
  }
  stages.pass("key");
  return fitting.sort((one, other) => Number(other.country === country) - Number(one.country === country));
}

async function sign(stages, message, candidates) {
  if (!candidates.length) return null;
  const data = cose.toBeSigned(message);
  for (const signer of candidates) {
    if (await verifies(signer, message.signature, data)) {
      stages.pass("signature");
      return signer;
    }
  }
  stages.fail("signature", "bad-signature");
  return null;
}

/** Return why a claim is no time, or nothing. */
function time(claim) {
  if (typeof claim !== "number" && typeof claim !== "bigint") return "claims-missing";
  const reasonable = Number.isFinite(Number(claim)) && Math.abs(Number(claim)) <= LAST_SECOND;
  return reasonable ? null : "claims-not-a-time";
}

function times(issued, expires, now) {
  const wrong = time(issued) ?? time(expires);
  if (wrong) return wrong;
  if (issued > now + SKEW) return "issued-in-future";
  return now > expires ? "expired" : "ok";
}

function validity(signer, expires, now) {
  if (!signer) return "not-reached";
  if (now < signer.notBefore) return "signer-not-yet-valid";
  if (now > signer.notAfter) return "signer-expired";
  return time(expires) === null && expires > signer.notAfter ? "outlives-signer" : "ok";
}

function usage(signer, payload) {
  if (!signer) return "not-reached";
  const allowed = new Set(signer.usages.map((oid) => USAGES.get(oid)).filter(Boolean));
  if (!allowed.size || !payload) return "ok";
  const kinds = ["v", "t", "r"].filter((kind) => Array.isArray(payload[kind]) ? payload[kind].length : payload[kind]);
  return kinds.length && kinds.every((kind) => allowed.has(kind)) ? "ok" : "wrong-key-usage";
}

function read(stages, dcc) {
  if (!(dcc instanceof Map)) {
    stages.fail("content", "no-dcc");
    return null;
  }
  try {
    const payload = plain(dcc);
    stages.pass("content");
    return payload;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    stages.fail("content", error.code);
    return null;
  }
}
