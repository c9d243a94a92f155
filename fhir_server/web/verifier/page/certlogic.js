/** CertLogic 1.3, evaluated with a bound on its work, as `signing/certlogic.py` does. */
import { Refused } from "./refused.js";

const MOST_STEPS = 10_000;
const DEEPEST = 64;
const UNITS = ["year", "month", "day", "hour"];
const LANGUAGE = new Set(["if", "and", "reduce"]);

/** Return the value of `expression` for `data`: JSON, or a Date; throw Refused when it has none. */
export function evaluate(expression, data) {
  return new Evaluation().value(expression, data, DEEPEST);
}

function truthy(value) {
  if (value instanceof Date) return true;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

class Evaluation {
  steps = 0;

  value(expression, data, depth) {
    if (++this.steps > MOST_STEPS || !depth) throw new Refused("rule-too-long");
    if (Array.isArray(expression)) return expression.map((item) => this.value(item, data, depth - 1));
    if (typeof expression !== "object" || expression === null) {
      if (expression === null || (typeof expression === "number" && !Number.isInteger(expression))) invalid();
      return expression;
    }
    const [operator, operands] = operation(expression);
    if (operator === "var") return variable(operands, data);
    if (operator === "if") return this.choose(operands, data, depth);
    if (operator === "and") return this.all(operands, data, depth);
    if (operator === "reduce") return this.reduce(operands, data, depth);
    return OPERATORS[operator](operands.map((operand) => this.value(operand, data, depth - 1)));
  }

  choose(operands, data, depth) {
    if (operands.length !== 3) invalid();
    const guard = this.value(operands[0], data, depth - 1);
    return this.value(operands[truthy(guard) ? 1 : 2], data, depth - 1);
  }

  all(operands, data, depth) {
    if (operands.length < 2) invalid();
    let found = null;
    for (const operand of operands) {
      found = this.value(operand, data, depth - 1);
      if (!truthy(found)) return found;
    }
    return found;
  }

  reduce(operands, data, depth) {
    if (operands.length !== 3) invalid();
    const items = this.value(operands[0], data, depth - 1);
    let found = this.value(operands[2], data, depth - 1);
    if (items === null) return found;
    if (!Array.isArray(items)) invalid();
    for (const current of items) found = this.value(operands[1], { accumulator: found, current, data }, depth - 1);
    return found;
  }
}

function operation(expression) {
  const entries = Object.entries(expression);
  if (entries.length !== 1) invalid();
  const [[operator, operands]] = entries;
  if (operator === "var") return entries[0];
  if (!LANGUAGE.has(operator) && !Object.hasOwn(OPERATORS, operator)) invalid();
  if (!Array.isArray(operands) || !operands.length) invalid();
  return entries[0];
}

function variable(path, data) {
  if (typeof path !== "string") invalid();
  let found = data;
  for (const step of path ? path.split(".") : []) {
    const place = Array.isArray(found) && /^(0|[1-9][0-9]*)$/.test(step);
    const member = typeof found === "object" && found !== null && !Array.isArray(found) && !(found instanceof Date);
    found = place || (member && Object.hasOwn(found, step)) ? found[step] : null;
    if (found === undefined || found === null) return null;
  }
  return found;
}

function identical([one, other]) {
  if (one instanceof Date || other instanceof Date) return Number(one) === Number(other);
  return typeof one === "object" && typeof other === "object" ? JSON.stringify(one) === JSON.stringify(other) : one === other;
}

function ordered(compare, read) {
  return (values) => {
    if (values.length < 2 || values.length > 3) invalid();
    const found = values.map(read);
    return found.slice(1).every((value, place) => compare(found[place], value));
  };
}

function integer(value) {
  return Number.isInteger(value) ? value : invalid();
}

const later = (one, other) => one > other;
const earlier = (one, other) => one < other;
const notLater = (one, other) => one <= other;
const notEarlier = (one, other) => one >= other;

const OPERATORS = {
  "===": (values) => (values.length === 2 ? identical(values) : invalid()),
  in(values) {
    const [value, items] = values;
    if (values.length !== 2 || (items !== null && !Array.isArray(items))) invalid();
    return items !== null && items.some((item) => identical([value, item]));
  },
  "+": (values) => (values.length === 2 ? integer(values[0]) + integer(values[1]) : invalid()),
  "!": (values) => (values.length === 1 ? !truthy(values[0]) : invalid()),
  ">": ordered(later, integer),
  "<": ordered(earlier, integer),
  ">=": ordered(notEarlier, integer),
  "<=": ordered(notLater, integer),
  after: ordered(later, time),
  before: ordered(earlier, time),
  "not-after": ordered(notLater, time),
  "not-before": ordered(notEarlier, time),
  plusTime([moment, amount, unit]) {
    if (!UNITS.includes(unit)) invalid();
    return shifted(time(moment), integer(amount), unit);
  },
  dccDateOfBirth(values) {
    const [text] = values;
    return (values.length === 1 && typeof text === "string" && lastDay(text)) || invalid();
  },
  extractFromUVCI([identifier, index]) {
    if (identifier !== null && typeof identifier !== "string") invalid();
    const parts = (identifier ?? "").replace(/^URN:UVCI:/, "").split(/[/#:]/);
    return identifier === null ? (integer(index), null) : (parts[integer(index)] ?? null);
  },
};

function time(value) {
  if (value instanceof Date) return value;
  if (typeof value !== "string") invalid();
  const day = lastDay(value);
  if (day) return day;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value)) invalid();
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(value) ? value : `${value}Z`;
  const moment = new Date(zoned.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
  return Number.isNaN(Number(moment)) ? invalid() : moment;
}

/** Return the last day that a date without day or month may stand for, at midnight UTC; null when it is no date. */
function lastDay(text) {
  const read = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$/.exec(text);
  if (!read) return null;
  const [year, month, day] = [Number(read[1]), Number(read[2] ?? 12), Number(read[3] ?? 0)];
  const found = read[3] ? utc(year, month - 1, day) : utc(year, month, 0);
  const fits = month >= 1 && month <= 12 && (!read[3] || (found.getUTCMonth() === month - 1 && day >= 1));
  return fits ? found : invalid();
}

function utc(year, month, day) {
  const moment = new Date(0);
  moment.setUTCFullYear(year, month, day);
  return moment;
}

/** Return `moment` and so many units; a day that the month lacks runs over into the next. */
function shifted(moment, amount, unit) {
  const found = new Date(moment);
  if (unit === "hour") found.setUTCHours(found.getUTCHours() + amount);
  if (unit === "day") found.setUTCDate(found.getUTCDate() + amount);
  if (unit === "month") found.setUTCMonth(found.getUTCMonth() + amount);
  if (unit === "year") found.setUTCFullYear(found.getUTCFullYear() + amount);
  const year = found.getUTCFullYear();
  return year >= 1 && year <= 9999 ? found : invalid();
}

function invalid() {
  throw new Refused("rule-invalid");
}
