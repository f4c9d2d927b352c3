// Which release computed a number: statements and reports name it. A test holds it to package.json.
/** The release of this package, as statements and reports name it. */
export const VERSION = "0.1.0";
