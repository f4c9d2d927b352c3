// Which release computed a number: statements and reports name it. A test holds it to package.json.
export const VERSION = "0.1.0";
