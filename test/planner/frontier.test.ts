// The frontier: every point is a plan, the Pareto set is that of its definition, the chart and the table say the same.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { frontier, frontierCsv } from "../../src/planner/frontier.js";
import { proxyOf } from "../../src/planner/proxy.js";
import { plan } from "../../src/planner/solve.js";
import { sweepValues } from "../../src/planner/sweep.js";
import { frontierSvg } from "../../src/report/charts/frontierSvg.js";

const cifar = { examples: 50_000, epsilon: 8, delta: 1e-5 };

describe("ranges", () => {
  test.each([
    ["256:65536:x2", [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]],
    ["250:8000:x2", [250, 500, 1000, 2000, 4000, 8000]],
    ["100:1000:+250", [100, 350, 600, 850]],
    ["1,2.5,1e3", [1, 2.5, 1000]],
    ["4_096", [4096]],
    ["1:2:x3", [1]],
  ])("%s", (text, values) => {
    expect(sweepValues(text)).toEqual(values);
  });

  test.each([
    ["", /is no number/],
    ["1:2", /^values must be FIRST:LAST:xFACTOR/],
    ["2:1:x2", /LAST is below FIRST/],
    ["1:2:x1", /FACTOR must be above 1/],
    ["0:2:x2", /FIRST above 0/],
    ["1:2:*2", /xFACTOR or \+STEP/],
    ["1:2:+0", /xFACTOR or \+STEP/],
    ["1:1e9:+1", /more than 10000 values/],
    ["1,,2", /is no number/],
  ])("%j is refused in one line", (text, message) => {
    expect(() => sweepValues(text)).toThrow(message);
    expect(() => sweepValues(text)).not.toThrow(/\n/);
  });
});

describe("the frontier", () => {
  const made = frontier(
    cifar,
    { batchSize: sweepValues("512:32768:x4"), steps: sweepValues("250:4000:x4") },
    { views: 16, viewsPerSecond: 2000, parameters: 2_753_818 },
  );

  test("has a plan for every combination, as if it had been asked for alone", () => {
    expect(made.points).toHaveLength(4 * 3);
    expect(made.gaps).toEqual([]);
    for (const point of made.points) {
      const alone = plan({ ...cifar, batchSize: point.batchSize, steps: point.steps });
      expect(point.noiseMultiplier / alone.noiseMultiplier).toBeCloseTo(1, 8);
      expect(point.epsilon).toBeLessThanOrEqual(8);
      expect(point.averageNoise).toBe(point.noiseMultiplier / point.batchSize);
      expect(point.passes).toBe(point.steps * point.batchSize * 16);
      expect(point.hours).toBeCloseTo(point.passes / 2000 / 3600, 10);
      expect(point.epochs).toBeCloseTo((point.steps * point.batchSize) / 50_000, 10);
    }
  });

  test("calls a point Pareto exactly if no other costs as little with as little run noise", () => {
    for (const point of made.points) {
      const beaten = made.points.some(
        (other) =>
          other.passes <= point.passes &&
          other.runNoise <= point.runNoise &&
          (other.passes < point.passes || other.runNoise < point.runNoise),
      );
      expect(point.pareto).toBe(!beaten);
    }
  });

  test("joins what costs the same, and knows where larger batches stop paying", () => {
    for (const a of made.points)
      for (const b of made.points)
        expect(a.isoCompute === b.isoCompute).toBe(Math.abs(a.passes / b.passes - 1) < 1e-3);
    // Noise per averaged gradient never rises with the batch, and never falls faster than 1/B² .
    for (const { batchSlope, batchStopsPaying } of made.points) {
      expect(batchSlope).toBeLessThanOrEqual(1e-9);
      expect(batchStopsPaying).toBe(batchSlope! > -0.5);
    }
    const at = (batchSize: number, steps: number) =>
      made.points.find((point) => point.batchSize === batchSize && point.steps === steps)!;
    expect(at(512, 250).batchStopsPaying).toBe(false);
    expect(at(32768, 4000).batchStopsPaying).toBe(true);
    expect(at(2048, 1000).batchRuleOfThumb).toBeCloseTo(50_000 * Math.sqrt(8 / 1000), 0);
  });

  test("estimates by total noise, worked by hand: η = 0.17135 and 0.5948", () => {
    const of = (steps: number, noiseMultiplier: number) =>
      frontier({ examples: 50_000, batchSize: 4096, noiseMultiplier, delta: 1e-5 }, { steps: [steps] })
        .points[0]!.tan.epsilon;
    expect(of(875, 10)).toBeCloseTo(1.192, 3);
    expect(of(1687, 4)).toBeCloseTo(4.39, 3);
  });

  test("keeps what cannot be met as a gap with its reason", () => {
    const { points, gaps } = frontier(
      { examples: 1000, batchSize: 500, noiseMultiplier: 1, delta: 1e-5 },
      { epsilon: [0.01, 30] },
    );
    expect(points).toHaveLength(1);
    expect(gaps).toHaveLength(1);
    expect(gaps[0]).toMatchObject({ at: { epsilon: 0.01 } });
    expect(gaps[0]!.reason).toMatch(/^one step at noise multiplier 1 already spends/);
  });

  test("rounds whole quantities of a range down, each once", () => {
    const { points } = frontier({ ...cifar, batchSize: 4096 }, { steps: sweepValues("10:12:x1.04") });
    expect(points.map((point) => point.steps)).toEqual([10, 11]);
  });

  test.each([
    [{ ...cifar, steps: 5 }, { steps: [5] }, {}, /^steps must be given or swept over, got both$/],
    [cifar, { batchSize: [] }, {}, /^the sweep over batchSize must be of one value at least, got none/],
    [cifar, { batchSize: [2] }, { views: 0 }, /^views must be a whole number >= 1, got 0$/],
    [cifar, { batchSize: [2] }, { viewsPerSecond: -1 }, /^viewsPerSecond must be > 0/],
    [cifar, { batchSize: [2] }, {}, /must be given but for one/],
    [cifar, { batchSize: [70_000], steps: [5] }, {}, /^batchSize must be in/],
  ])("%j over %j is refused", (request, axes, options, message) => {
    expect(() => frontier(request, axes, options)).toThrow(message);
  });

  test("as a table: a header, a line a point, all digits", () => {
    const lines = frontierCsv(made).trimEnd().split("\r\n");
    expect(lines).toHaveLength(1 + made.points.length);
    const columns = lines[0]!.split(",");
    made.points.forEach((point, i) => {
      const cells = lines[i + 1]!.split(",");
      expect(cells).toHaveLength(columns.length);
      const cell = (name: string) => cells[columns.indexOf(name)];
      expect(Number(cell("noiseMultiplier"))).toBe(point.noiseMultiplier);
      expect(Number(cell("tanEta"))).toBe(point.tan.eta);
      expect(cell("pareto")).toBe(String(point.pareto));
    });
  });

  test("as a chart: one mark a point, numbers only inside the picture", () => {
    const svg = frontierSvg(made);
    const crosses = svg.match(/<g><title>/g)?.length ?? 0;
    const circles = svg.match(/<circle /g)?.length ?? 0;
    expect(crosses).toBe(made.points.filter((point) => point.batchStopsPaying).length);
    expect(crosses + circles).toBe(made.points.length);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    for (const [, cx, cy] of svg.matchAll(/cx="([^"]+)" cy="([^"]+)"/g)) {
      expect(Number(cx)).toBeGreaterThan(80);
      expect(Number(cx)).toBeLessThan(720);
      expect(Number(cy)).toBeGreaterThan(60);
      expect(Number(cy)).toBeLessThan(480);
    }
    for (const steps of ["250 steps", "1,000 steps", "4,000 steps"])
      expect(svg).toContain(`>${steps}</text>`);
    expect(() => frontierSvg({ points: made.points.slice(0, 1), gaps: [] })).toThrow(/two batch sizes/);
  });
});

test("a proxy has the plan's noise in every averaged gradient at a k-th of the cost, and says that it is not private", () => {
  const made = plan({ ...cifar, batchSize: 4096, steps: 2500 });
  fc.assert(
    fc.property(fc.double({ min: 1, max: 4096, noNaN: true }), (factor) => {
      const proxy = proxyOf(made, factor);
      expect(proxy.averageNoise / (made.noiseMultiplier / made.batchSize)).toBeCloseTo(1, 12);
      expect(proxy.cost * factor).toBeCloseTo(1, 12);
      expect(proxy.steps).toBe(made.steps);
      expect(proxy.warning).toMatch(/NOT private/);
    }),
  );
  expect(() => proxyOf(made, 5000)).toThrow(
    /^the proxy's factor must be in \[1, batch size 4096\], got 5000$/,
  );
});
