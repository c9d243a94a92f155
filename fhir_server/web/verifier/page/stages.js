/** The result of a verification: every stage with its code, never a bare boolean. Stages and codes: signing/verification.py. */
import { Refused } from "./refused.js";

export const STAGES = [
  "prefix",
  "base45",
  "inflate",
  "cbor",
  "algorithm",
  "key",
  "signature",
  "claims",
  "signer-validity",
  "key-usage",
  "revocation",
  "content",
  "rules",
];

const PASSING = new Set(["ok", "origin-not-pinned", "outlives-signer", "schema-warning"]);
const UNDECIDED = new Set([
  "not-reached",
  "not-applicable",
  "not-checked",
  "list-missing",
  "list-outdated",
  "no-rules",
  "rules-open",
]);
// Without these no certificate is valid, whatever else was found.
const NEEDED = new Set(["prefix", "cbor", "algorithm", "key", "signature", "content"]);
const SKEW = 5 * 60; // seconds by which an issuer's clock may be ahead of ours
const LAST_SECOND = 253402300799; // of the year 9999

/** The stages of one verification as they are passed. */
export class Stages {
  constructor() {
    this.codes = new Map(STAGES.map((stage) => [stage, "not-reached"]));
  }

  set(stage, code) {
    this.codes.set(stage, code);
  }

  /** Return what `work` gives, at once or later, and let `stage` pass; note its refusal, and throw it on. */
  async run(stage, work) {
    try {
      const result = await work();
      this.set(stage, "ok");
      return result;
    } catch (error) {
      if (error instanceof Refused) this.set(stage, error.code);
      throw error;
    }
  }

  /** Return {valid, stages, …found}: believe the content only when valid. `signedBy`: who signed, by the lists, not by itself. */
  verification(found = {}) {
    const stages = [...this.codes].map(([stage, code]) => {
      const ok = PASSING.has(code) ? true : UNDECIDED.has(code) ? null : false;
      return { stage, ok, code };
    });
    const valid = stages.every(({ stage, ok }) => ok === true || (ok === null && !NEEDED.has(stage)));
    return { format: null, content: null, issuer: null, issued: null, expires: null, trusted: false, signedBy: null, ...found, stages, valid };
  }
}

/** Return the code of a claim that is no time; null for one that is. */
export function timeProblem(claim) {
  if (typeof claim !== "number" && typeof claim !== "bigint") return "claims-missing";
  return Number.isFinite(Number(claim)) && Math.abs(Number(claim)) <= LAST_SECOND ? null : "claims-not-a-time";
}

/** Return the code of the stage of the claims; a time that is null was not said and binds nobody. */
export function period(issued, expires, now) {
  const wrong = (issued === null ? null : timeProblem(issued)) ?? (expires === null ? null : timeProblem(expires));
  if (wrong) return wrong;
  if (issued !== null && issued > now + SKEW) return "issued-in-future";
  return expires !== null && now > expires ? "expired" : "ok";
}

/** Return the code of the stage that compares `now` with the period of the signer's certificate. */
export function signerValidity(signer, expires, now) {
  if (!signer) return "not-reached";
  if (now < signer.notBefore) return "signer-not-yet-valid";
  if (now > signer.notAfter) return "signer-expired";
  return expires !== null && timeProblem(expires) === null && expires > signer.notAfter ? "outlives-signer" : "ok";
}

/** Return the code of the stage that refuses a signer limited to other `kinds` (v, t, r); null: the content is unknown. */
export function keyUsage(signer, kinds) {
  if (!signer) return "not-reached";
  if (!signer.kinds || kinds === null) return "ok";
  return kinds.length && kinds.every((kind) => signer.kinds.includes(kind)) ? "ok" : "wrong-key-usage";
}
