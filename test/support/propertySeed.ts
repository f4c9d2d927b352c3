// Property tests draw the same cases everywhere, so that main fails for everybody or for nobody; PROPERTY_SEED=n draws
// others (PROPERTY_SEED=random: new ones each time), which is how new counterexamples are looked for.
import fc from "fast-check";

const asked = process.env.PROPERTY_SEED;
if (asked !== "random") {
  const seed = Number(asked ?? 2022);
  if (!Number.isInteger(seed))
    throw new Error(`PROPERTY_SEED must be a whole number or random, got ${asked}`);
  fc.configureGlobal({ seed });
}
