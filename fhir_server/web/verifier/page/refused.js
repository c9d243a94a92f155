/** The one error of these modules: input that is not what it claims to be. Codes are those of `fhir-server certificate verify`. */
export class Refused extends Error {
  constructor(code, detail = "") {
    super(detail || code);
    this.code = code;
  }
}
