/** Visible digital seals (VDS-NC), judged as `signing/seal.py` does: who signed travels inside, a listed country vouches for it. */
import { fromBase64, fromBase64url, toBase64 } from "./bytes.js";
import { object, record } from "./json.js";
import { Refused } from "./refused.js";
import { hashes } from "./revocation.js";
import { Stages, keyUsage, signerValidity } from "./stages.js";
import * as x509 from "./x509.js";

const KINDS = new Map([["icao.vacc", "v"], ["icao.test", "t"]]);
const ALGORITHMS = new Map([["ES256", ["P-256", "SHA-256"]], ["ES384", ["P-384", "SHA-384"]], ["ES512", ["P-521", "SHA-512"]]]);

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
  const said = object(text, "not-json");
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

/** Return canonical JSON (RFC 8785): numbers and texts are written as JavaScript does, names in order. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "number" && !Number.isFinite(value)) throw new Refused("not-canonical");
  if (!record(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

async function judge(stages, seal, lists, now) {
  const known = ALGORITHMS.has(seal.algorithm);
  stages.set("algorithm", known ? "ok" : "unsupported-algorithm");
  const [curve, digest] = ALGORITHMS.get(seal.algorithm) ?? [];
  const [key, signer] = known ? await select(seal, curve, lists) : ["not-reached", null];
  stages.set("key", key);
  const trusted = signer !== null && (await x509.signed(signer.certificate, digest, seal.signature, seal.signed));
  if (signer) stages.set("signature", trusted ? "ok" : "bad-signature");
  stages.set("claims", "not-applicable"); // a seal says neither when it was made nor until when it is valid
  const kind = KINDS.get(seal.header.t);
  const country = typeof seal.header.is === "string" ? seal.header.is : "";
  const identifiers = typeof seal.message.uvci === "string" ? [seal.message.uvci] : [];
  stages.set("signer-validity", signerValidity(signer, null, now));
  stages.set("key-usage", signer && !signer.appointed ? "wrong-key-usage" : keyUsage(signer, kind ? [kind] : null));
  stages.set("revocation", lists.revoked(await hashes(country, identifiers, seal.signature, "ES256")) ? "revoked" : "ok");
  stages.set("content", kind ? "ok" : "no-certificate");
  stages.set("rules", lists.rules.length ? "not-applicable" : "not-checked");
  return stages.verification({ format: "vds-nc", content: seal.message, issuer: country || null, trusted, signedBy: trusted ? signer.country : null });
}

/** Return the code of the stage of the key, and the signer {certificate, country, notBefore, notAfter, kinds, appointed} or null. */
async function select(seal, curve, lists) {
  if (!seal.certificate.length) return ["kid-missing", null];
  let certificate;
  try {
    certificate = x509.read(seal.certificate);
  } catch (error) {
    if (error instanceof Refused) return [error.code, null];
    throw error;
  }
  if (!(await x509.readable(certificate))) return ["unreadable-key", null];
  const listed = lists.signers.find((each) => each.rawData === toBase64(seal.certificate));
  // Who is on the list was chosen by name: nobody else needs to have appointed it.
  const [code, signer] = listed ? ["ok", { ...listed, certificate, appointed: true }] : await vouched(certificate, lists.authorities);
  if (signer && certificate.curve !== curve) return ["key-type-mismatch", null];
  return [code, signer];
}

/** Return the signer whose `certificate` a listed authority of its country issued: it lasts no longer than that authority. */
async function vouched(certificate, authorities) {
  const above = [];
  let open = false;
  for (const each of authorities.filter(({ country }) => country === certificate.country)) {
    const issued = await x509.issued(certificate, x509.read(fromBase64(each.rawData)));
    if (issued) above.push(each);
    open ||= issued === null;
  }
  if (!above.length) return [open ? "unreadable-authority" : "unknown-signer", null];
  const longest = above.reduce((one, other) => (other.notAfter > one.notAfter ? other : one));
  const { country, kinds, appointed } = certificate;
  const notBefore = Math.max(certificate.notBefore, longest.notBefore);
  const notAfter = Math.min(certificate.notAfter, longest.notAfter);
  return ["ok", { certificate, country, kinds, appointed, notBefore, notAfter }];
}
