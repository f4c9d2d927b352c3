// Every accountant and what it takes on, for the contract suite (in Node and in the browser) and the reference values.
import type { Accountant } from "../../src/accounting/accountant.js";
import { closedFormAccountant } from "../../src/accounting/closedForm/index.js";
import { connectTheDotsAccountant } from "../../src/accounting/connectTheDots/index.js";
import { bentContourAccountant as contourAccountant } from "../../src/accounting/contour/cascadeAccountant.js";
import { layeredAccountant } from "../../src/accounting/layered.js";
import { rdpAccountant } from "../../src/accounting/rdp/index.js";
import type { PrivacyEvent } from "../../src/formats/event.js";
import type { Neighboring } from "../../src/formats/guarantee.js";
import { agreement, type ContractTest, contract } from "./contract.js";

const ALL_RELATIONS = ["add-or-remove-one", "zero-out-one", "replace-one"] as const;

/** One of each accountant for the given relation. */
export function accountantsUnder(neighboring: Neighboring): Accountant[] {
  return [
    contourAccountant({ neighboring }),
    rdpAccountant({ neighboring }),
    closedFormAccountant({ neighboring }),
    connectTheDotsAccountant({ neighboring }),
  ];
}

const wide = { kind: "gaussian", noiseMultiplier: 4 } as const;
/** Events that are accounted as plainer ones, by every accountant. */
const REDUCED_EVENTS: readonly PrivacyEvent[] = [
  { kind: "banded-matrix", noiseMultiplier: 2, bands: 8, steps: 100, samplingRate: 0.1 },
];
const FIXED_SIZE: PrivacyEvent = {
  kind: "sampled-without-replacement",
  sourceSize: 1000,
  sampleSize: 100,
  event: wide,
};

/** What the Rényi accountant takes on beyond Gaussians. */
const RDP_EVENTS: readonly PrivacyEvent[] = [
  { kind: "laplace", noiseMultiplier: 2 },
  { kind: "discrete-gaussian", sigma: 3, sensitivity: 1 },
  { kind: "discrete-laplace", parameter: 0.2, sensitivity: 3 },
  { kind: "randomized-response", noiseProbability: 0.4, buckets: 5 },
  { kind: "exponential", epsilon: 0.3 },
  { kind: "epsilon-delta", epsilon: 0.2, delta: 1e-9 },
  { kind: "zcdp", rho: 0.02, xi: 0.01 },
  { kind: "pmf-pair", upper: [0.5, 0.3, 0.2, 0], lower: [0.4, 0.3, 0.29, 0.01] },
  {
    kind: "gaussian-mixture",
    standardDeviation: 2,
    sensitivities: [0, 1, 2],
    probabilities: [0.9, 0.09, 0.01],
  },
  { kind: "poisson-sampled", samplingRate: 0.1, event: { kind: "laplace", noiseMultiplier: 2 } },
  { kind: "poisson-sampled", samplingRate: 0.1, event: { kind: "zcdp", rho: 0.02, xi: 0 } },
  {
    kind: "poisson-sampled",
    samplingRate: 0.1,
    event: { kind: "randomized-response", noiseProbability: 0.4, buckets: 2 },
  },
  ...REDUCED_EVENTS,
  FIXED_SIZE,
  {
    kind: "repeat-and-select",
    repetitions: { kind: "negative-binomial", eta: 0, gamma: 0.02 },
    event: { kind: "laplace", noiseMultiplier: 20 },
  },
  {
    kind: "repeat-and-select",
    repetitions: { kind: "poisson", mean: 5 },
    event: { kind: "gaussian", noiseMultiplier: 20 },
  },
];

/** What connecting the dots takes on beyond Gaussians. */
const PLD_EVENTS: readonly PrivacyEvent[] = [
  ...RDP_EVENTS.filter(
    (event) =>
      event.kind !== "zcdp" &&
      event.kind !== "repeat-and-select" &&
      !(event.kind === "poisson-sampled" && event.event.kind === "zcdp"),
  ),
  { kind: "balls-in-bins", bins: 20, event: wide },
  { kind: "balls-in-bins", bins: 3, event: { kind: "laplace", noiseMultiplier: 2 } },
  {
    kind: "truncated-poisson-sampled",
    samplingRate: 0.1,
    datasetSize: 100,
    maximumBatchSize: 15,
    event: wide,
  },
  { kind: "poisson-sampled", samplingRate: 0.1, event: { kind: "exponential", epsilon: 1 } },
  { kind: "poisson-sampled", samplingRate: 0.1, event: { kind: "epsilon-delta", epsilon: 1, delta: 1e-7 } },
  {
    kind: "poisson-sampled",
    samplingRate: 0.1,
    event: { kind: "discrete-gaussian", sigma: 3, sensitivity: 2 },
  },
];
/** Coarse lattices for the many questions of the properties: every promise but the width is the same. */
const QUICK = { relativeWidth: 0.01, maximumNodes: 2 ** 14 };

/**
 * How often each random property runs. Connecting the dots takes tenths of a second an answer where the others take
 * milliseconds, so it is asked less often; the slow suite has the whole. In a browser only exp and log are others.
 */
const EXTENT = {
  browser: { runs: 5, dotsRuns: 2 },
  fast: { runs: 20, dotsRuns: 5 },
  slow: { runs: 60, dotsRuns: 20 },
} as const;

/** The contract's tests for every accountant, and the agreement of each with the contour. */
export function contractTests(extent: keyof typeof EXTENT): ContractTest[] {
  const thorough = extent === "slow";
  const { runs, dotsRuns } = EXTENT[extent];
  const effort = { thorough, runs };
  const [contour, ...rest] = accountantsUnder("add-or-remove-one");
  return [
    ...contract("contour", (neighboring) => contourAccountant({ neighboring }), {
      ...effort,
      gaps: {
        "three of gaussian-mixture equal the list, their curve falls, never NaN":
          "one step of three atoms decays too slowly along the line: only the Chernoff bound is left, above that of three steps",
        // Found at q = 1 − 1e-16, T = 3; of the layers together it holds.
        ...(thorough && {
          "epsilon and delta convert to each other on the safe side":
            "where no line can be integrated, each falls back on a bound of its own",
        }),
      },
      sampling: true,
      neighborings: ALL_RELATIONS,
      others: [
        {
          kind: "gaussian-mixture",
          standardDeviation: 2,
          sensitivities: [0, 1, 2],
          probabilities: [0.9, 0.09, 0.01],
        },
        ...REDUCED_EVENTS,
      ],
    }),
    // The edges alone take half a minute: in the slow suite.
    ...(thorough ? layeredTests(dotsRuns) : []),
    ...contract("rdp", (neighboring) => rdpAccountant({ neighboring }), {
      ...effort,
      sampling: true,
      neighborings: ALL_RELATIONS,
      others: RDP_EVENTS,
    }),
    ...contract("closed-form", (neighboring) => closedFormAccountant({ neighboring }), {
      ...effort,
      sampling: false,
      neighborings: ALL_RELATIONS,
    }),
    ...contract("pld-discrete", (neighboring) => connectTheDotsAccountant({ neighboring, ...QUICK }), {
      runs: dotsRuns,
      sampling: true,
      // Zeroing out is accounted as adding or removing.
      neighborings: thorough ? ALL_RELATIONS : ["add-or-remove-one", "replace-one"],
      others: extent === "browser" ? PLD_EVENTS.filter((_, i) => i % 4 === 0) : PLD_EVENTS,
      // Bounds on coarse lattices, which differ from event to event.
      slack: 0.02,
    }),
    ...rest
      .filter((each) => each.name !== "pld-discrete")
      .map((each) => agreement(contour!, each, { sampling: each.name !== "closed-form", runs })),
    agreement(contour!, connectTheDotsAccountant(QUICK), { sampling: true, runs: dotsRuns }),
  ];
}

/** All layers together, as "pld" has them. */
function layeredTests(runs: number): ContractTest[] {
  return contract(
    "pld",
    (neighboring) =>
      layeredAccountant("pld", { neighboring }, [
        (options) => connectTheDotsAccountant({ ...options, ...QUICK }),
      ]),
    {
      runs,
      sampling: true,
      neighborings: ALL_RELATIONS,
      others: PLD_EVENTS,
      // Where it rests on coarse lattices; elsewhere it is the contour's 1e-9.
      slack: 0.02,
    },
  );
}
