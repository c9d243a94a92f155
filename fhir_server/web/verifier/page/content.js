/** What a certificate says, as rows of a table: [key of the text, value]. */

// Target diseases by SNOMED CT and ICD-11 code, as far as certificates name them (value set disease-agent-targeted; ICVP).
const DISEASES = { 840539006: "COVID-19", "1D47": "Sốt vàng / Yellow fever", "1C81": "Bại liệt / Polio" };
const PRODUCTS = {
  "EU/1/20/1528": "Comirnaty",
  "EU/1/20/1507": "Spikevax",
  "EU/1/21/1529": "Vaxzevria",
  "EU/1/20/1525": "Jcovden",
  "CVnCoV": "CVnCoV",
};

/** Return the rows for a Verification; `moment` writes seconds since 1970 as a date and time. */
export function rows(found, moment) {
  const { content, expires } = found;
  if (!content) return [];
  const said = found.format === "SHC" ? card(content) : dcc(content);
  const until = typeof expires === "number" ? [["expires", moment(expires)]] : [];
  return [...said, ...until].filter(([, value]) => value !== undefined && value !== null && value !== "").map(([key, value]) => [key, String(value)]);
}

function dcc(content) {
  const name = content.nam && typeof content.nam === "object" ? content.nam : {};
  const written = [name.fn, name.gn].filter(Boolean).join(" ") || [name.fnt, name.gnt].filter(Boolean).join(" ");
  const person = [
    ["name", written || content.n],
    ["birth", content.dob],
  ];
  const entries = ["v", "t", "r"].flatMap((kind) => content[kind] ?? []).filter((entry) => entry && typeof entry === "object");
  return [...person, ...entries.flatMap(entry)];
}

function entry(said) {
  const doses = said.dn === undefined ? undefined : said.sd === undefined ? said.dn : `${said.dn}/${said.sd}`;
  return [
    ["disease", DISEASES[said.tg] ?? said.tg],
    ["vaccine", said.mp && (PRODUCTS[said.mp] ?? said.mp)],
    ["dose", doses],
    ["date", said.dt ?? said.sc ?? said.fr],
    ["result", said.tr],
    ["issuer", [said.is, said.co].filter(Boolean).join(", ")],
    ["identifier", said.ci],
  ];
}

function card(content) {
  const resources = (content.entry ?? []).map((each) => each?.resource).filter((each) => each && typeof each === "object");
  const patient = resources.find((each) => each.resourceType === "Patient");
  const name = patient?.name?.[0];
  const doses = resources.filter((each) => each.resourceType === "Immunization");
  return [
    ["name", name && (name.text ?? [name.family, ...(name.given ?? [])].filter(Boolean).join(" "))],
    ["birth", patient?.birthDate],
    ...doses.flatMap((dose) => [
      ["vaccine", (dose.vaccineCode?.coding ?? []).map((coding) => coding.display ?? coding.code).join(", ")],
      ["date", dose.occurrenceDateTime],
      ["issuer", dose.performer?.[0]?.actor?.display],
    ]),
  ];
}
