// Views in more and more uneven passes than the fast suite has, on every backend that starts.
import { describe, expect, test } from "vitest";
import { startBackend } from "../../../src/engines/tensorflow/startBackend.js";
import { Network } from "../../../src/trainer/layers/network.js";
import { SeededRandom } from "../../../src/trainer/random/seeded.js";
import { STARTED_BACKENDS } from "../../support/startedBackends.js";
import {
  EMBEDDED,
  EVERY_LAYER,
  gradientsByDifferences,
  gradientsByEngine,
  normOf,
  RESIDUAL,
} from "../../trainer/support.js";

const VIEWS = 7;
const LABELS = [0, 2, 1];

describe.each([EVERY_LAYER, RESIDUAL, EMBEDDED])("network $name, seven views", (spec) => {
  const random = new SeededRandom(5);
  const size = LABELS.length * VIEWS * spec.inputShape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: size }, () =>
    spec === EMBEDDED ? random.below(5) : random.normal(),
  );
  const parameters = new Network(spec)
    .initialise(3)
    .map((part) => part.map((value) => value + 0.2 * random.normal()));
  const expected = gradientsByDifferences(spec, values, LABELS, VIEWS, parameters);

  test.each(STARTED_BACKENDS)("in passes of 1 to 7 views on %s", async (backend) => {
    await startBackend(backend);
    for (const viewsAtOnce of [1, 2, 3, 4, 7]) {
      const { squaredNorms, examples } = gradientsByEngine(
        spec,
        values,
        LABELS,
        VIEWS,
        parameters,
        () => 1,
        viewsAtOnce,
      );
      examples.forEach((gradient, n) => {
        const difference = gradient.map((part, i) => part.map((value, k) => value - expected[n][i][k]));
        const norm = normOf(gradient);
        expect(normOf(difference)).toBeLessThan(1e-5 * norm);
        expect(Math.sqrt(squaredNorms[n])).toBeGreaterThanOrEqual(norm * (1 - 2 ** -21));
        expect(Math.sqrt(squaredNorms[n])).toBeLessThanOrEqual(norm * 1.001);
      });
    }
  });
});
