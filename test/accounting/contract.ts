// What every accountant promises, whatever its method: one list of tests for all of them. No Node, no test runner:
// the same list runs in vitest (contract.test.ts) and in a real browser (test/browser/contract.test.ts).
import fc from "fast-check";
import type { Accountant, Interval, PrivacyCurve } from "../../src/accounting/accountant.js";
import { dpSgdEvent, type PrivacyEvent } from "../../src/formats/event.js";
import type { Neighboring } from "../../src/formats/guarantee.js";

export interface ContractTest {
  readonly title: string;
  /** Throws an Error that says what was promised and what was found. */
  readonly run: () => void;
}

/** What the accountant under test takes on, and how exact it claims to be. */
export interface Supports {
  /** Accounts for Poisson-sampled Gaussians. */
  readonly sampling: boolean;
  /** ε at δ = 0 may be finite (pure mechanisms), and such events are among `others`. */
  readonly others?: readonly PrivacyEvent[];
  readonly neighborings?: readonly Neighboring[];
  /** Relative slack on monotonicity between different events, where the error of two answers may differ. Default 1e-9. */
  readonly slack?: number;
  /** Runs of each random property. Default 30. */
  readonly runs?: number;
  /** Also the far corners of the range, where an answer may take a second. Default false. */
  readonly thorough?: boolean;
  /** What is known to fall short, by title: left out, with the reason, until it is mended. */
  readonly gaps?: Readonly<Record<string, string>>;
}

interface Run {
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  readonly steps: number;
}

const ascending = (a: number, b: number): [number, number] => (a < b ? [a, b] : [b, a]);
const between = (least: number, most: number) =>
  fc
    .double({ min: Math.log(least), max: Math.log(most), noNaN: true })
    .map((x) => Math.min(most, Math.exp(x)));
const wholeBetween = (least: number, most: number) => between(least, most).map(Math.round);

/** Runs as people make them. */
const ordinary = (sampling: boolean) =>
  fc.record({
    samplingRate: sampling ? between(1e-4, 1) : fc.constant(1),
    noiseMultiplier: between(0.5, 50),
    steps: wholeBetween(1, 1e5),
  });
/** The whole legal range. */
const extreme = (sampling: boolean) =>
  fc.record({
    samplingRate: sampling ? fc.oneof(between(1e-9, 1), fc.constantFrom(1e-9, 1)) : fc.constant(1),
    noiseMultiplier: fc.oneof(between(0.05, 1e4), fc.constantFrom(0.05, 1e4)),
    steps: fc.oneof(wholeBetween(1, 1e9), fc.constantFrom(1, 1e9)),
  });
const ordinaryDelta = between(1e-12, 0.1);
const extremeDelta = fc.oneof(between(1e-300, 1), fc.constantFrom(1e-300, 1e-30, 0.5, 1 - 1e-9));
const extremeEpsilon = fc.oneof(between(1e-6, 1e4), fc.constantFrom(0, 1e4));

/**
 * The promises of `make()`, as tests. `make` is called with a relation; the first of `supports.neighborings`
 * (default add-or-remove-one) is used for all tests but the edges, which are tried under each.
 */
export function contract(
  name: string,
  make: (neighboring: Neighboring) => Accountant,
  supports: Supports,
): ContractTest[] {
  const {
    sampling,
    others = [],
    neighborings = ["add-or-remove-one"],
    slack = 1e-9,
    runs = 30,
    thorough = false,
    gaps = {},
  } = supports;
  const accountant = make(neighborings[0]!);
  const curve = (event: PrivacyEvent) => accountant.account(event);
  const curveOf = (run: Run) => curve(dpSgdEvent(run));
  const tests: ContractTest[] = [];
  const test = (title: string, run: () => void) => {
    if (!Object.hasOwn(gaps, title)) tests.push({ title: `${name}: ${title}`, run });
  };
  const property = <T extends unknown[]>(
    title: string,
    arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
    check: (...values: T) => void,
    numRuns = runs,
  ) =>
    test(title, () =>
      fc.assert(
        fc.property(fc.tuple(...arbitraries), (values) => check(...(values as T))),
        {
          numRuns,
          seed: 2022,
        },
      ),
    );
  /** a, of the event that spends less, must not be above b. */
  const atMost = (a: Interval, b: Interval, what: string) => {
    demand(a.lower <= b.upper, `${what}: the truth rises, ${show(a)} should be below ${show(b)}`);
    demand(
      a.upper <= b.upper * (1 + slack) + Number.MIN_VALUE,
      `${what}: the bound rises, ${show(a)} should be below ${show(b)}`,
    );
  };
  /** ε at δ and δ at 1 of both curves, the one that spends less first. */
  const spendsLess = (less: PrivacyCurve, more: PrivacyCurve, delta: number, what: string) => {
    atMost(less.epsilonIntervalAt(delta), more.epsilonIntervalAt(delta), `${what}, epsilon at ${delta}`);
    atMost(less.deltaIntervalAt(1), more.deltaIntervalAt(1), `${what}, delta at 1`);
  };

  property(
    "more noise never costs more",
    [ordinary(sampling), between(0.5, 50), ordinaryDelta],
    (run, other, delta) => {
      const [lo, hi] = ascending(run.noiseMultiplier, other);
      spendsLess(
        curveOf({ ...run, noiseMultiplier: hi }),
        curveOf({ ...run, noiseMultiplier: lo }),
        delta,
        "noise",
      );
    },
  );
  if (sampling)
    property(
      "a smaller sampling rate never costs more",
      [ordinary(true), between(1e-4, 1), ordinaryDelta],
      (run, other, delta) => {
        const [lo, hi] = ascending(run.samplingRate, other);
        spendsLess(
          curveOf({ ...run, samplingRate: lo }),
          curveOf({ ...run, samplingRate: hi }),
          delta,
          "rate",
        );
      },
    );
  property(
    "fewer steps never cost more",
    [ordinary(sampling), wholeBetween(1, 1e5), ordinaryDelta],
    (run, other, delta) => {
      const [lo, hi] = ascending(run.steps, other);
      spendsLess(curveOf({ ...run, steps: lo }), curveOf({ ...run, steps: hi }), delta, "steps");
    },
  );
  property(
    "a larger delta never asks for a larger epsilon, nor the reverse",
    [ordinary(sampling), fc.array(ordinaryDelta, { minLength: 4, maxLength: 4 })],
    (run, deltas) => {
      const one = curveOf(run);
      deltas.sort((a, b) => b - a);
      let last = 0;
      for (const delta of deltas) {
        const epsilon = one.epsilonAt(delta);
        demand(
          epsilon >= last * (1 - slack),
          `epsilon falls from ${last} to ${epsilon} at the smaller delta ${delta}`,
        );
        last = epsilon;
      }
      let above = 1;
      for (const epsilon of [0, 0.01, 0.5, 1, 2, 5, 20]) {
        const delta = one.deltaAt(epsilon);
        demand(
          delta <= above * (1 + slack),
          `delta rises from ${above} to ${delta} at the larger epsilon ${epsilon}`,
        );
        above = delta;
      }
    },
  );
  property(
    "over the whole range every answer is an interval, its upper end the answer, and never NaN",
    [extreme(sampling), extremeDelta, extremeEpsilon],
    (run, delta, epsilon) => {
      const one = curveOf(run);
      wellFormed(one, delta, epsilon);
    },
    thorough ? runs : Math.ceil(runs / 4),
  );
  property(
    "epsilon and delta convert to each other on the safe side",
    [ordinary(sampling), ordinaryDelta, between(1e-3, 20)],
    (run, delta, epsilon) => {
      const one = curveOf(run);
      const found = one.epsilonAt(delta);
      if (found < Infinity) {
        const back = one.deltaAt(found);
        // Two answers of one curve, each a bound, may differ by the width of either.
        demand(back <= delta * (1 + 1e-9), `delta at epsilon(${delta}) = ${found} is ${back}, above`);
      }
      const spent = one.deltaAt(epsilon);
      const again = one.epsilonAt(spent);
      // Below the normal doubles δ has fewer digits than ε asks for.
      demand(
        spent < 1e-300 || again <= epsilon * (1 + slack),
        `epsilon at delta(${epsilon}) = ${spent} is ${again}, above`,
      );
      // Both ends bound one truth: ε(δ) and δ(ε) of it cannot contradict each other.
      const { lower } = one.epsilonIntervalAt(delta);
      const below = one.deltaIntervalAt(lower).upper;
      demand(
        lower === 0 || below >= delta * (1 - 1e-9),
        `delta at the least epsilon ${lower} is ${below}, below ${delta}`,
      );
    },
  );
  property(
    "the order of composition does not matter",
    [fc.array(ordinary(sampling), { minLength: 2, maxLength: 3 }), ordinaryDelta],
    (parts, delta) => {
      const events = parts.map(dpSgdEvent);
      const a = curve({ kind: "composed", events });
      const b = curve({ kind: "composed", events: [...events].reverse() });
      same(a.epsilonIntervalAt(delta), b.epsilonIntervalAt(delta), slack, "epsilon");
      same(a.deltaIntervalAt(1), b.deltaIntervalAt(1), slack, "delta");
    },
    Math.ceil(runs / 2),
  );
  property(
    "n-fold repetition equals the list of n, and splitting a ledger changes nothing",
    [
      ordinary(sampling),
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.nat(50), { maxLength: 4 }),
      ordinaryDelta,
    ],
    (run, count, cuts, delta) => {
      const event = dpSgdEvent({ ...run, steps: 10 });
      const folded = curve({ kind: "repeated", event, count }).epsilonIntervalAt(delta);
      const listed = curve({ kind: "composed", events: Array.from({ length: count }, () => event) });
      same(folded, listed.epsilonIntervalAt(delta), 0, "n-fold and list");
      const whole = dpSgdEvent({ ...run, steps: cuts.reduce((a, b) => a + b, 0) });
      const pieces = {
        kind: "composed",
        events: cuts.map((steps) => dpSgdEvent({ ...run, steps })),
      } as const;
      same(
        curve(whole).epsilonIntervalAt(delta),
        curve(pieces).epsilonIntervalAt(delta),
        0,
        "whole and split",
      );
    },
    Math.ceil(runs / 2),
  );

  property(
    "an answer does not depend on what was asked before",
    [ordinary(sampling), fc.array(ordinaryDelta, { minLength: 2, maxLength: 2 }), between(0.01, 10)],
    (run, [first, second], epsilon) => {
      const used = curveOf(run);
      used.deltaAt(epsilon);
      used.epsilonAt(first!);
      same(
        used.epsilonIntervalAt(second!),
        curveOf(run).epsilonIntervalAt(second!),
        0,
        "used and fresh curve",
      );
    },
  );

  for (const neighboring of neighborings) {
    const under = (event: PrivacyEvent) => make(neighboring).account(event);
    test(`edges under ${neighboring} are answered, never NaN`, () => {
      const nothing: PrivacyEvent[] = [
        { kind: "none" },
        { kind: "composed", events: [] },
        dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1, steps: 0 }),
        { kind: "gaussian", noiseMultiplier: Infinity },
        ...(sampling ? [dpSgdEvent({ samplingRate: 0, noiseMultiplier: 0, steps: 9 })] : []),
      ];
      for (const event of nothing) {
        const one = under(event);
        for (const delta of [0, 1e-300, 1e-5, 1])
          same(
            one.epsilonIntervalAt(delta),
            { lower: 0, upper: 0 },
            0,
            `epsilon of ${JSON.stringify(event)}`,
          );
        for (const epsilon of [0, 1, 1e4, Infinity])
          same(one.deltaIntervalAt(epsilon), { lower: 0, upper: 0 }, 0, `delta of ${JSON.stringify(event)}`);
      }
      for (const event of [{ kind: "non-private" }, { kind: "gaussian", noiseMultiplier: 0 }] as const) {
        const one = under(event);
        for (const delta of [0, 1e-300, 0.5, 1 - 1e-9])
          demand(
            one.epsilonAt(delta) === Infinity,
            `epsilon of ${event.kind} at ${delta} is ${one.epsilonAt(delta)}`,
          );
        demand(one.epsilonAt(1) === 0, `epsilon of ${event.kind} at 1 is ${one.epsilonAt(1)}`);
        demand(one.deltaAt(7) === 1, `delta of ${event.kind} at 7 is ${one.deltaAt(7)}`);
      }
      const runsAtEdges: Run[] = [
        { samplingRate: 1, noiseMultiplier: 1, steps: 1 },
        { samplingRate: 1, noiseMultiplier: 1e4, steps: 1e9 },
        ...(thorough ? [{ samplingRate: 1, noiseMultiplier: 0.05, steps: 1e9 }] : []),
        ...(sampling && neighboring !== "replace-one"
          ? [
              { samplingRate: 1e-9, noiseMultiplier: 1, steps: 1 },
              { samplingRate: 0.01, noiseMultiplier: 1e-3, steps: 3 },
              ...(thorough
                ? [
                    { samplingRate: 1e-9, noiseMultiplier: 0.05, steps: 1e9 },
                    { samplingRate: 0.5, noiseMultiplier: 1e4, steps: 1 },
                    { samplingRate: 1 - 1e-9, noiseMultiplier: 2, steps: 1e9 },
                  ]
                : []),
            ]
          : []),
      ];
      for (const run of runsAtEdges) {
        const one = under(dpSgdEvent(run));
        for (const delta of [0, 1e-300, 1e-30, 1e-5, 0.5, 1 - 1e-9, 1])
          epsilonHolds(one, delta, JSON.stringify(run));
        for (const epsilon of [0, 1e-9, 1, 1e4, Infinity]) deltaHolds(one, epsilon, JSON.stringify(run));
        demand(one.epsilonAt(1) === 0, `epsilon at 1 is ${one.epsilonAt(1)}`);
        demand(one.epsilonAt(0) === Infinity, `epsilon of a Gaussian at 0 is ${one.epsilonAt(0)}`);
      }
    });
  }
  for (const event of others)
    test(`three of ${event.kind} equal the list, their curve falls, never NaN`, () => {
      const folded = curve({ kind: "repeated", count: 3, event });
      const listed = curve({ kind: "composed", events: [event, event, event] });
      let last = Infinity;
      for (const delta of [0, 1e-300, 1e-12, 1e-6, 1e-2, 0.5, 1]) {
        same(folded.epsilonIntervalAt(delta), listed.epsilonIntervalAt(delta), 0, "n-fold and list");
        wellFormed(folded, delta, 1);
        const epsilon = folded.epsilonAt(delta);
        demand(epsilon <= last, `epsilon rises from ${last} to ${epsilon} at ${delta}`);
        last = epsilon;
        if (epsilon < Infinity)
          demand(
            folded.deltaAt(epsilon) <= delta * (1 + 1e-9),
            `delta at epsilon(${delta}) is ${folded.deltaAt(epsilon)}, above`,
          );
      }
      atMost(curve(event).epsilonIntervalAt(1e-6), folded.epsilonIntervalAt(1e-6), "one and three");
    });
  test("arguments out of range are refused by name", () => {
    const one = curveOf({ samplingRate: 1, noiseMultiplier: 1, steps: 1 });
    for (const bad of [-1, 1.5, Number.NaN, "0.1" as unknown as number])
      throws(() => one.epsilonAt(bad), `delta must be in [0, 1], got ${bad}`);
    for (const bad of [-1, Number.NaN, "1" as unknown as number])
      throws(() => one.deltaAt(bad), `epsilon must be >= 0, got ${bad}`);
  });
  return tests;
}

/** Two accountants of one truth: their intervals must meet, up to `relative` for ends that only floating point separates. */
export function agreement(
  a: Accountant,
  b: Accountant,
  options: { sampling: boolean; runs?: number; events?: readonly PrivacyEvent[] },
): ContractTest {
  const meet = (event: PrivacyEvent, delta: number) => {
    const x = a.account(event);
    const y = b.account(event);
    const what = `${JSON.stringify(event)} at ${delta}`;
    intersect(x.epsilonIntervalAt(delta), y.epsilonIntervalAt(delta), `epsilon of ${what}`);
    const epsilon = y.epsilonAt(delta);
    if (epsilon < Infinity)
      intersect(x.deltaIntervalAt(epsilon), y.deltaIntervalAt(epsilon), `delta of ${what}`);
  };
  return {
    title: `the intervals of ${a.name} and ${b.name} meet`,
    run: () => {
      for (const event of options.events ?? []) for (const delta of [1e-9, 1e-5, 0.01]) meet(event, delta);
      fc.assert(
        fc.property(ordinary(options.sampling), ordinaryDelta, (run, delta) => meet(dpSgdEvent(run), delta)),
        { numRuns: options.runs ?? 20, seed: 2022 },
      );
    },
  };
}

function intersect(a: Interval, b: Interval, what: string): void {
  demand(a.lower <= b.upper && b.lower <= a.upper, `${what}: ${show(a)} and ${show(b)} do not meet`);
}

function wellFormed(curve: PrivacyCurve, delta: number, epsilon: number): void {
  epsilonHolds(curve, delta, "");
  deltaHolds(curve, epsilon, "");
}

function epsilonHolds(curve: PrivacyCurve, delta: number, what: string): void {
  const e = curve.epsilonIntervalAt(delta);
  demand(e.lower >= 0 && e.lower <= e.upper, `${what} epsilon at ${delta} is ${show(e)}`);
  const at = curve.epsilonAt(delta);
  demand(at === e.upper, `${what} epsilonAt(${delta}) = ${at} is not the upper end of ${show(e)}`);
}

function deltaHolds(curve: PrivacyCurve, epsilon: number, what: string): void {
  const d = curve.deltaIntervalAt(epsilon);
  demand(d.lower >= 0 && d.lower <= d.upper && d.upper <= 1, `${what} delta at ${epsilon} is ${show(d)}`);
  const at = curve.deltaAt(epsilon);
  demand(at === d.upper, `${what} deltaAt(${epsilon}) = ${at} is not the upper end of ${show(d)}`);
}

function same(a: Interval, b: Interval, slack: number, what: string): void {
  const near = (x: number, y: number) => x === y || Math.abs(x - y) <= slack * Math.max(x, y);
  demand(near(a.upper, b.upper) && near(a.lower, b.lower), `${what}: ${show(a)} and ${show(b)} differ`);
}

function throws(run: () => unknown, line: string): void {
  try {
    run();
  } catch (error) {
    demand((error as Error).message === line, `should say "${line}", says "${(error as Error).message}"`);
    return;
  }
  throw new Error(`should refuse with "${line}"`);
}

function demand(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

const show = ({ lower, upper }: Interval) => `[${lower}, ${upper}]`;
