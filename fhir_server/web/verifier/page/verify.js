/** One verifier for all forms: HC1 (DCC, DDCC, ICVP), SMART Health Cards, VDS-NC. The order is that of `signing/verify.py`. */
import * as hc1 from "./hc1.js";
import * as seal from "./seal.js";
import * as shc from "./shc.js";
import { Stages } from "./stages.js";

const LONGEST = 16 * 1024; // characters; the largest QR code holds 4,296
const LONGEST_CARD = 128 * 1024; // a health card may be cut into several codes, or come as file

/** Verify the texts of one certificate (several only when a health card was cut in chunks); it throws nothing. */
export async function verify(texts, lists, now) {
  const [text] = texts;
  const card = text.startsWith(shc.PREFIX);
  const longest = card || text.startsWith("{") ? LONGEST_CARD : LONGEST;
  if (texts.join("").length > longest) return refused("prefix", "too-long");
  if (card || text.startsWith("eyJ")) return shc.verify(texts, lists, now);
  if (text.startsWith("{")) return object(text, lists, now);
  return hc1.verify(text, lists, now); // which says what is wrong with the beginning
}

/** Verify JSON: a file of health cards, of which the first that is not valid is told, or else a seal. */
async function object(text, lists, now) {
  if (!text.includes('"verifiableCredential"')) return text.length > LONGEST ? refused("prefix", "too-long") : seal.verify(text, lists, now);
  const cards = inFile(text);
  if (!cards) return refused("base45", "not-health-card-file");
  const judged = [];
  for (const card of cards) judged.push(await shc.verify([card], lists, now));
  return judged.find((each) => !each.valid) ?? judged[0];
}

function inFile(text) {
  try {
    const cards = JSON.parse(text).verifiableCredential;
    return Array.isArray(cards) && cards.length && cards.every((card) => typeof card === "string") ? cards : null;
  } catch {
    return null;
  }
}

function refused(stage, code) {
  const stages = new Stages();
  if (stage !== "prefix") stages.set("prefix", "ok");
  stages.set(stage, code);
  return stages.verification();
}
