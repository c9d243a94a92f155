/**
 * Visible digital seals (VDS-NC), judged as `signing/seal.py` does, but for one thing: the signer must be listed itself.
 * Whether a listed authority vouches for a signer is not found out here, for browsers read no X.509 certificates.
 */
import { fromBase64url, toBase64 } from "./bytes.js";
import { algorithm, verifies } from "./keys.js";
import { Refused } from "./refused.js";
import { hashes } from "./revocation.js";
import { Stages, keyUsage, signerValidity } from "./stages.js";

const KINDS = { "icao.vacc": "v", "icao.test": "t" };
const ALGORITHMS = ["ES256", "ES384", "ES512"];

/** Verify the JSON text of a seal against `lists` at `now`; return the Verification of stages.js. It throws nothing. */
export async function verify(text, lists, now) {
  const stages = new Stages();
  for (const stage of ["base45", "inflate"]) stages.set(stage, "not-applicable");
  stages.set("prefix", "ok");
  try {
    const seal = await stages.run("cbor", () => parse(text));
    return await judge(stages, seal, lists, now);
  } catch (error) {
    if (error instanceof Refused) return stages.verification();
    throw error;
  }
}

function parse(text) {
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Refused("not-json");
  }
  if (!record(said)) throw new Refused("not-json");
  const { data, sig } = said;
  const fits = record(data) && record(data.hdr) && record(data.msg) && record(sig) && typeof sig.sigvl === "string";
  if (!fits) throw new Refused("not-vds-nc");
  const [certificate, signature] = [typeof sig.cer === "string" ? sig.cer : "", sig.sigvl].map((part) => {
    const bytes = fromBase64url(part.replace(/=+$/, ""));
    if (!bytes) throw new Refused("not-base64url");
    return bytes;
  });
  const signed = new TextEncoder().encode(canonical(data));
  return { algorithm: sig.alg, certificate, signature, header: data.hdr, message: data.msg, signed };
}

function record(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Return canonical JSON (RFC 8785): numbers and texts are written as JavaScript does, names in order. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!record(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

async function judge(stages, seal, lists, now) {
  const known = ALGORITHMS.includes(seal.algorithm);
  stages.set("algorithm", known ? "ok" : "unsupported-algorithm");
  const listed = lists.signers.find((each) => each.rawData === toBase64(seal.certificate)) ?? null;
  const fits = listed !== null && algorithm(listed.jwk) === seal.algorithm;
  const missing = seal.certificate.length ? "unknown-signer" : "kid-missing";
  if (known) stages.set("key", fits ? "ok" : listed ? "key-type-mismatch" : missing);
  const signer = known && fits ? listed : null;
  const trusted = signer !== null && (await verifies(signer.jwk, seal.signature, seal.signed));
  if (signer) stages.set("signature", trusted ? "ok" : "bad-signature");
  stages.set("claims", "not-applicable"); // a seal says neither when it was made nor until when it is valid
  const kind = KINDS[seal.header.t];
  const country = typeof seal.header.is === "string" ? seal.header.is : "";
  const identifiers = typeof seal.message.uvci === "string" ? [seal.message.uvci] : [];
  stages.set("signer-validity", signerValidity(signer, null, now));
  stages.set("key-usage", keyUsage(signer, kind ? [kind] : null));
  stages.set("revocation", lists.revoked(await hashes(country, identifiers, seal.signature, "ES256")) ? "revoked" : "ok");
  stages.set("content", kind ? "ok" : "no-certificate");
  stages.set("rules", lists.rules.length ? "not-applicable" : "not-checked");
  return stages.verification({ format: "vds-nc", content: seal.message, issuer: country || null, trusted });
}
