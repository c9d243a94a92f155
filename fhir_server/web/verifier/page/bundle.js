/** The offline bundle (docs/certificates.md): read once its signature is found good, and as the verifiers ask it. */
import { fromBase64 } from "./bytes.js";
import * as jws from "./jws.js";
import { algorithm, thumbprint } from "./keys.js";
import { Refused } from "./refused.js";
import { cardList, hashList } from "./revocation.js";

const TYPE = "offline-bundle+jws";
const VERSION = 1;
const LARGEST = 64 * 1024 * 1024; // bytes of JSON

/**
 * Return {lists, keys} of the bundle in `text`: `keys` are the JWK that the next bundle may be signed with.
 *
 * The bundle counts when one of `pins` signed it. Without pins (the first one, which came with the page itself) it must be
 * signed with a key that it lists. Throw Refused otherwise.
 */
export async function read(text, pins) {
  const message = jws.parse(text);
  if (message.header.typ !== TYPE) throw new Refused("not-a-bundle");
  const said = parsed(await jws.payload(message, LARGEST));
  if (said.version !== VERSION) throw new Refused("not-a-bundle");
  const listed = said.signers.filter((signer) => algorithm(signer.jwk));
  const key = await find(pins.length ? pins : listed.map((signer) => signer.jwk), message.header.kid);
  if (!key || !(await jws.signedWith(message, key, algorithm(key)))) throw new Refused("bundle-signature");
  return { lists: lists(said), keys: await successors(key, listed, message.header.kid) };
}

/** Read large JSON, of which nothing counts before its signature is found good. */
function parsed(bytes) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    throw new Refused("not-a-bundle");
  }
}

async function find(keys, kid) {
  for (const key of keys) if ((await thumbprint(key)) === kid) return key;
  return null;
}

/** Return the keys that the next bundle may be signed with: this one's, and those of the same country that it lists. */
async function successors(key, listed, kid) {
  const prints = await Promise.all(listed.map((signer) => thumbprint(signer.jwk)));
  const country = listed[prints.indexOf(kid)]?.country;
  return [key, ...listed.filter((signer) => country && signer.country === country).map((signer) => signer.jwk)];
}

function lists(said) {
  const timed = (row) => ({ ...row, notBefore: seconds(row.notBefore), notAfter: seconds(row.notAfter) });
  const signers = said.signers.map(timed);
  const cards = new Map(
    Object.entries(said.revocation.cards).map(([kid, row]) => [kid, cardList(row.counter, fromBase64(row.keys), fromBase64(row.before))]),
  );
  return {
    signers,
    authorities: said.authorities.map(timed),
    cardKeys: said.cardKeys.map((row) => ({ ...row, signer: signers.find((signer) => signer.kid === row.signer) ?? null })),
    rules: said.rules,
    valueSets: said.valueSets,
    revoked: hashList(fromBase64(said.revocation.hashes)),
    cards: (kid) => cards.get(kid) ?? null,
    issued: seconds(said.issued),
    nextUpdate: seconds(said.nextUpdate),
  };
}

function seconds(time) {
  return Date.parse(time) / 1000;
}
