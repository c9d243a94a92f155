/** SMART Health Cards, judged as `signing/card.py` does. https://spec.smarthealth.cards/ */
import * as jws from "./jws.js";
import { Refused } from "./refused.js";
import { digest, hashes } from "./revocation.js";
import { Stages, keyUsage, period, signerValidity, timeProblem } from "./stages.js";

export const PREFIX = "shc:/";
const HEALTH_CARD = "https://smarthealth.cards#health-card";
const OFFSET = 45; // the character "-", which two digits 00 stand for
const LAST = "z".charCodeAt(0) - OFFSET;
const MOST_CHUNKS = 64;

/** Verify the texts of the codes of one card, or one JWS; return the Verification of stages.js. It throws nothing. */
export async function verify(texts, lists, now) {
  const stages = new Stages();
  stages.set("prefix", "ok");
  try {
    const message = await stages.run("base45", () => jws.parse(texts[0].startsWith(PREFIX) ? joined(texts) : texts[0]));
    const payload = await stages.run("inflate", () => {
      if (!("zip" in message.header)) throw new Refused("zip-missing");
      return jws.payload(message);
    });
    const claims = await stages.run("cbor", () => jws.object(payload, "not-json"));
    return await judge(stages, message, claims, lists, now);
  } catch (error) {
    if (error instanceof Refused) return stages.verification();
    throw error;
  }
}

/** Return the JWS in the texts of all codes of one card, in any order; throw Refused. */
function joined(texts) {
  const chunks = new Map();
  const totals = new Set();
  for (const text of texts) {
    const found = /^shc:\/(?:([0-9]{1,3})\/([0-9]{1,3})\/)?([0-9]*)$/.exec(text);
    if (!found) throw new Refused("not-numeric");
    const [number, total] = [Number(found[1] ?? 1), Number(found[2] ?? 1)];
    if (!(1 <= number && number <= total && total <= MOST_CHUNKS)) throw new Refused("chunks");
    if (chunks.has(number) && chunks.get(number) !== found[3]) throw new Refused("chunks");
    chunks.set(number, found[3]);
    totals.add(total);
  }
  if (totals.size !== 1) throw new Refused("chunks");
  const [total] = totals;
  if (chunks.size !== total) throw new Refused("chunk-missing");
  return Array.from({ length: total }, (_, place) => characters(chunks.get(place + 1))).join("");
}

function characters(digits) {
  if (digits.length % 2) throw new Refused("numeric-odd");
  const values = (digits.match(/../g) ?? []).map(Number);
  if (values.some((value) => value > LAST)) throw new Refused("numeric-pair");
  return String.fromCharCode(...values.map((value) => value + OFFSET));
}

async function judge(stages, message, claims, lists, now) {
  const issuer = claims.iss;
  const algorithm = message.header.alg === "ES256" ? "ok" : "unsupported-algorithm";
  stages.set("algorithm", algorithm);
  const [key, candidates] = algorithm === "ok" ? select(message.header.kid, issuer, lists) : ["not-reached", []];
  stages.set("key", key);
  const made = await signed(message, candidates);
  if (candidates.length) stages.set("signature", made ? "ok" : message.signature.length === 64 ? "bad-signature" : "signature-length");
  const presumed = made ?? (candidates.length === 1 ? candidates[0] : null);
  const issued = claims.nbf;
  const expires = "exp" in claims ? claims.exp : null;
  stages.set("claims", originProblem(issuer) ? "issuer-url" : period(issued, expires, now));
  const bundle = content(claims.vc);
  const vouched = presumed?.signer ?? null;
  stages.set("signer-validity", presumed && !vouched ? "not-applicable" : signerValidity(vouched, expires, now));
  stages.set("key-usage", presumed && !vouched ? "not-applicable" : keyUsage(vouched, bundle && kinds(bundle)));
  stages.set("revocation", await revocation(made, claims.vc?.rid, issued, message, lists));
  stages.set("content", bundle ? "ok" : "no-certificate");
  stages.set("rules", lists.rules.length ? "not-applicable" : "not-checked");
  return stages.verification({
    format: "shc",
    content: bundle,
    issuer: typeof issuer === "string" ? issuer : null,
    issued: timeProblem(issued) ? null : issued,
    expires: expires === null || timeProblem(expires) ? null : expires,
    trusted: made !== null && bundle !== null,
    signedBy: made?.origin ?? made?.signer?.country ?? null,
  });
}

/** Return the code of the stage of the key, and the trusted keys with this thumbprint that `issuer` published. */
function select(kid, issuer, lists) {
  if (typeof kid !== "string" || !kid) return ["kid-missing", []];
  const known = lists.cardKeys.filter((key) => key.kid === kid);
  if (!known.length) return ["unknown-signer", []];
  const own = known.filter((key) => key.origin === null || key.origin === issuer);
  if (!own.length) return ["wrong-origin", []];
  return [own[0].origin === null ? "origin-not-pinned" : "ok", own];
}

async function signed(message, candidates) {
  for (const key of candidates) if (await jws.signedWith(message, key.jwk, "ES256")) return key;
  return null;
}

function originProblem(issuer) {
  return typeof issuer !== "string" || !issuer.startsWith("https://") || issuer.endsWith("/");
}

async function revocation(made, rid, issued, message, lists) {
  if (lists.revoked(await hashes("", [], message.signature, "ES256"))) return "revoked";
  if (!made || typeof rid !== "string" || !rid) return "ok";
  const listed = lists.cards(made.kid);
  if (!listed) return "list-missing";
  if (timeProblem(issued) === null && listed.revoked(await digest(new TextEncoder().encode(rid)), issued)) return "revoked";
  return made.crlVersion !== null && listed.counter < made.crlVersion ? "list-outdated" : "ok";
}

function content(vc) {
  const bundle = vc?.credentialSubject?.fhirBundle;
  const fits = Array.isArray(vc?.type) && vc.type.includes(HEALTH_CARD) && bundle?.resourceType === "Bundle";
  return fits ? bundle : null;
}

function kinds(bundle) {
  const entries = Array.isArray(bundle.entry) ? bundle.entry : [];
  const types = entries.map((entry) => entry?.resource?.resourceType);
  return [["v", "Immunization"], ["t", "Observation"]].filter(([, type]) => types.includes(type)).map(([kind]) => kind);
}
