// Events: flattening merges what is equal, keeps what is not, and refuses what is not an event.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkEvent } from "../../src/formats/checkEvent.js";
import { dpSgdEvent, flatten, type GaussianEvent, type PrivacyEvent } from "../../src/formats/event.js";

const gaussian = (noiseMultiplier: number): GaussianEvent => ({ kind: "gaussian", noiseMultiplier });
const total = (event: PrivacyEvent) => flatten(event).reduce((sum, each) => sum + each.count, 0);

/** Any composition of a few Gaussians, with the number of times each is in it, counted independently. */
const composition = fc.letrec<{ node: { event: PrivacyEvent; counts: number[] } }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.nat(2).map((i) => ({
      event: gaussian(i + 1) as PrivacyEvent,
      counts: [0, 1, 2].map((j) => (i === j ? 1 : 0)),
    })),
    fc.tuple(fc.nat(5), tie("node")).map(([count, inner]) => ({
      event: { kind: "repeated", count, event: inner.event } as PrivacyEvent,
      counts: inner.counts.map((c) => c * count),
    })),
    fc.array(tie("node"), { maxLength: 4 }).map((inner) => ({
      event: { kind: "composed", events: inner.map((each) => each.event) } as PrivacyEvent,
      counts: [0, 1, 2].map((j) => inner.reduce((sum, each) => sum + each.counts[j]!, 0)),
    })),
  ),
})).node;

describe("flatten", () => {
  test("counts every use, however it is nested", () => {
    fc.assert(
      fc.property(composition, ({ event, counts }) => {
        const flat = flatten(event);
        const seen = [0, 0, 0];
        for (const each of flat) seen[(each.event as GaussianEvent).noiseMultiplier - 1]! += each.count;
        expect(seen).toEqual(counts);
        expect(flat.length).toBe(counts.filter((c) => c > 0).length);
      }),
    );
  });

  test("merges equal events whatever the order of their keys", () => {
    const other = JSON.parse(
      '{"event":{"noiseMultiplier":2,"kind":"gaussian"},"samplingRate":0.1,"kind":"poisson-sampled"}',
    );
    const flat = flatten({
      kind: "composed",
      events: [dpSgdEvent({ samplingRate: 0.1, noiseMultiplier: 2, steps: 9 }), other],
    });
    expect(flat).toHaveLength(1);
    expect(flat[0]!.count).toBe(10);
  });

  test("sampling at rate 0 spends nothing, at rate 1 it is no sampling", () => {
    expect(flatten(dpSgdEvent({ samplingRate: 0, noiseMultiplier: 1, steps: 5 }))).toEqual([]);
    expect(flatten(dpSgdEvent({ samplingRate: 1, noiseMultiplier: 1, steps: 5 }))).toEqual([
      { event: gaussian(1), count: 5 },
    ]);
  });

  test("refuses counts beyond exact whole numbers instead of rounding them", () => {
    const big: PrivacyEvent = { kind: "repeated", count: 2 ** 40, event: gaussian(1) };
    expect(() => total({ kind: "repeated", count: 2 ** 40, event: big })).toThrow(
      /count must be at most 2\^53 - 1/,
    );
  });
});

describe("checkEvent", () => {
  test.each([
    [{ kind: "gaussian", noiseMultiplier: Number.NaN }, "noiseMultiplier must be >= 0, got NaN"],
    [{ kind: "gaussian", noiseMultiplier: -1 }, "noiseMultiplier must be >= 0, got -1"],
    [{ kind: "gaussian" }, "noiseMultiplier must be >= 0, got undefined"],
    [
      { kind: "poisson-sampled", samplingRate: 1.5, event: gaussian(1) },
      "samplingRate must be in [0, 1], got 1.5",
    ],
    [{ kind: "repeated", count: 2.5, event: gaussian(1) }, "count must be a whole number >= 0, got 2.5"],
    [{ kind: "composed", events: gaussian(1) }, "events must be a list"],
    [{ kind: "pmf-pair", upper: [0.5, 0.4], lower: [0.5, 0.5] }, "upper must sum to 1, got 0.9"],
    [{ kind: "magic" }, "event kind magic is unknown: it must be one of none, non-private"],
    [null, "event must be an object, got null"],
  ])("%j is refused: %s", (event, message) => {
    expect(() => checkEvent(event as PrivacyEvent)).toThrow(message);
  });
});
