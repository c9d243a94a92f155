/** The result of a verification: every stage with its code, never a bare boolean. */
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

const PASSING = new Set(["ok", "outlives-signer", "schema-warning"]);
const OPEN = new Set(["not-reached", "not-checked", "not-applicable"]);
// What must have passed: revocation and rules may be unknown, and then the page says so.
const NEEDED = new Set(STAGES.filter((stage) => stage !== "revocation" && stage !== "rules"));

/** The stages of one verification as they are passed. */
export class Stages {
  constructor() {
    this.codes = new Map(STAGES.map((stage) => [stage, "not-reached"]));
  }

  pass(stage) {
    this.codes.set(stage, "ok");
  }

  fail(stage, code) {
    this.codes.set(stage, code);
  }

  set(stage, code) {
    this.codes.set(stage, code);
  }

  /** Return what `work` returns; note its refusal, and throw it on. */
  run(stage, work) {
    try {
      const result = work();
      this.pass(stage);
      return result;
    } catch (error) {
      if (error instanceof Refused) this.fail(stage, error.code);
      throw error;
    }
  }

  /** As `run`, for what takes time. */
  async wait(stage, promise) {
    try {
      const result = await promise;
      this.pass(stage);
      return result;
    } catch (error) {
      if (error instanceof Refused) this.fail(stage, error.code);
      throw error;
    }
  }

  /** Return {format, valid, trusted, stages, …found}: believe the content only when valid. */
  verification(format, found = {}) {
    const stages = STAGES.map((stage) => {
      const code = this.codes.get(stage);
      return { stage, ok: PASSING.has(code) ? true : OPEN.has(code) ? null : false, code };
    });
    const passed = ({ stage, ok, code }) => ok === true || code === "not-applicable" || (ok === null && !NEEDED.has(stage));
    const valid = stages.every(passed);
    return { format, content: null, issuer: null, issued: null, expires: null, trusted: false, signer: null, ...found, stages, valid };
  }
}

/** Return Base64 with padding. */
export function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** Return the bytes of Base64 or Base64url, padded or not; throw on any other text. */
export function fromBase64(text) {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
}
