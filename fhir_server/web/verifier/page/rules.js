/** Business rules by country, applied to a DCC as `signing/rules.py` does. */
import { evaluate } from "./certlogic.js";
import { Refused } from "./refused.js";

const KINDS = { v: "Vaccination", t: "Test", r: "Recovery" };
const MOST_RULES = 500;

/** Return the countries that have rules for who arrives. */
export function countries(rules) {
  return [...new Set(rules.filter((rule) => rule.Type === "Acceptance").map((rule) => rule.Country.toUpperCase()))].sort();
}

/**
 * Return the code of the stage `rules` for a DCC that arrives in `country` at `now` (seconds since 1970).
 * `external` holds what the claims say: issuerCountryCode, iat, exp (RFC 3339), kid.
 */
export function apply({ rules, valueSets }, country, payload, now, external) {
  if (!rules.length) return "not-checked";
  const applicable = select(rules, country, payload, now, external.issuerCountryCode);
  if (!applicable.length) return "no-rules";
  if (applicable.length > MOST_RULES) return "rules-open";
  const validationClock = new Date(now * 1000).toISOString();
  const given = { validationClock, valueSets, countryCode: country, region: null, ...external };
  const found = applicable.map((rule) => holds(rule.Logic, { payload, external: given }));
  if (found.includes(false)) return "rule-failed";
  return found.includes(null) ? "rules-open" : "ok";
}

/** Return whether a rule holds; null when it cannot be evaluated. */
function holds(logic, data) {
  try {
    return evaluate(logic, data) === true;
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

/** Return the rules that apply, of each the newest version that is in force. */
function select(rules, country, payload, now, issuer) {
  const kinds = new Set(["General"]);
  for (const [group, name] of Object.entries(KINDS)) {
    const entries = payload[group];
    if (Array.isArray(entries) ? entries.length : entries) kinds.add(name);
  }
  const newest = new Map();
  for (const rule of rules) {
    const place = rule.Type === "Acceptance" ? country : issuer;
    const inForce = Date.parse(rule.ValidFrom) / 1000 <= now && now < Date.parse(rule.ValidTo) / 1000;
    if (rule.Country.toUpperCase() !== place || !kinds.has(rule.CertificateType) || !inForce || rule.Region) continue;
    const known = newest.get(rule.Identifier);
    if (!known || newer(rule.Version, known.Version)) newest.set(rule.Identifier, rule);
  }
  return [...newest.values()];
}

function newer(one, other) {
  const [mine, theirs] = [one, other].map((version) => version.split(".").map(Number));
  for (const [place, number] of mine.entries()) if (number !== (theirs[place] ?? -1)) return number > (theirs[place] ?? -1);
  return false;
}
