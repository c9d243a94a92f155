/** What a certificate says, as rows of a table: [key of the text, value]. */

let names = {};

/** Fetch what the codes in a DCC mean. */
export async function learn() {
  names = await (await fetch("names.json")).json();
}

/** Return the rows for a Verification; `moment` writes seconds since 1970 as a date and time. */
export function rows(found, moment) {
  const { content, expires, format, signedBy, trusted } = found;
  if (!content) return [];
  const said = { shc: card, "vds-nc": seal, icvp, ddcc }[format] ?? dcc;
  const until = expires === null ? [] : [["expires", moment(expires)]];
  return [...said(content), ...until, ["signed-by", trusted ? signedBy : null]]
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([key, value]) => [key, String(value)]);
}

function dcc(content) {
  const name = record(content.nam);
  const written = [name.fn, name.gn].filter(Boolean).join(" ") || [name.fnt, name.gnt].filter(Boolean).join(" ");
  const entries = ["v", "t", "r"].flatMap((kind) => list(content[kind])).map(record);
  return [["name", written], ["birth", content.dob], ...entries.flatMap(entry)];
}

function entry(said) {
  const doses = said.dn === undefined ? undefined : said.sd === undefined ? said.dn : `${said.dn}/${said.sd}`;
  return [
    ["disease", meaning("tg", said.tg)],
    ["vaccine", said.mp ? meaning("mp", said.mp) : meaning("vp", said.vp)],
    ["dose", doses],
    ["date", said.dt ?? said.sc ?? said.fr],
    ["result", said.tr],
    ["issuer", [said.is, said.co].filter(Boolean).join(", ")],
    ["identifier", said.ci],
  ];
}

function meaning(field, code) {
  return names[field]?.[code] ?? code;
}

function icvp(content) {
  return [["name", content.n], ["birth", content.dob], ...entry(record(content.v))];
}

function ddcc(content) {
  return [
    ["name", content.name],
    ["birth", content.birthDate ?? content.birth_date],
    ["vaccine", record(content.vaccine).code ?? content.vaccine],
    ["dose", content.dose],
    ["date", content.date],
    ["identifier", content.hcid],
  ];
}

function seal(content) {
  const person = record(content.pid);
  const events = list(content.ve).map(record);
  return [
    ["name", person.n],
    ["birth", person.dob],
    ...events.flatMap((event) => [
      ["disease", event.dis],
      ["vaccine", event.nam ?? event.des],
      ...list(event.vd).map(record).flatMap((dose) => [
        ["dose", dose.seq],
        ["date", dose.dvc],
        ["issuer", [dose.adm, dose.ctr].filter(Boolean).join(", ")],
      ]),
    ]),
    ["identifier", content.uvci],
  ];
}

function card(content) {
  const resources = list(content.entry).map((each) => record(record(each).resource));
  const patient = resources.find((each) => each.resourceType === "Patient") ?? {};
  const name = record(list(patient.name)[0]);
  const doses = resources.filter((each) => each.resourceType === "Immunization");
  return [
    ["name", name.text ?? [name.family, ...list(name.given)].filter(Boolean).join(" ")],
    ["birth", patient.birthDate],
    ...doses.flatMap((dose) => [
      ["vaccine", list(record(dose.vaccineCode).coding).map(record).map((coding) => coding.display ?? coding.code).join(", ")],
      ["date", dose.occurrenceDateTime],
      ["issuer", record(record(list(dose.performer)[0]).actor).display],
    ]),
  ];
}

// A certificate that is not authentic may hold anything anywhere.
function list(value) {
  return Array.isArray(value) ? value : [];
}

function record(value) {
  return typeof value === "object" && value !== null ? value : {};
}
