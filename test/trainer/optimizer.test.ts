// The updates against TensorFlow.js's own optimizers, their closed forms, and the schedules of the learning rate.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { startBackend } from "../../src/engines/tensorflow/startBackend.js";
import { averageDecay, Optimizer, type OptimizerRule } from "../../src/trainer/optimizer.js";
import { SeededRandom } from "../../src/trainer/random/seeded.js";
import { scheduleOf } from "../../src/trainer/schedule.js";

beforeAll(() => startBackend("cpu"));

const random = new SeededRandom(3);
const normals = (count: number) => Float64Array.from({ length: count }, () => random.normal());
const ADAM: OptimizerRule = { kind: "adam", beta1: 0.9, beta2: 0.99, epsilon: 1e-3, noiseCorrected: false };

test.each([
  ["plain descent", { kind: "sgd", momentum: 0 } as OptimizerRule, () => tf.train.sgd(0.25)],
  ["momentum", { kind: "sgd", momentum: 0.75 } as OptimizerRule, () => tf.train.momentum(0.25, 0.75)],
  ["Adam", ADAM, () => tf.train.adam(0.25, 0.9, 0.99, 1e-3)],
])("%s moves the parameters as TensorFlow.js does", (_, rule, reference) => {
  const start = Float32Array.from(normals(7));
  const optimizer = new Optimizer([start.slice()], { learningRate: 0.25, rule, averageDecay: undefined });
  const variable = tf.variable(tf.tensor1d(start));
  const theirs = reference();
  for (let t = 0; t < 12; t++) {
    const gradient = normals(7);
    optimizer.update([gradient.map((value) => value * 8)], 8);
    theirs.applyGradients({ [variable.name]: tf.tensor1d(Float32Array.from(gradient)) });
    const expected = variable.dataSync();
    optimizer.parameters[0].forEach((value, i) => {
      expect(Math.abs(value - expected[i])).toBeLessThan(2e-5);
    });
  }
});

test("corrected for noise, Adam's second moment is that of the gradient without it", () => {
  // A gradient g seen under noise of deviation s on the sum: E[v̂] = g² + (s/B)². The corrected step is rate·sign(g), as
  // without any noise; the uncorrected one is shorter by √(1 + (s/(B·g))²) = √2.
  const [batch, gradient, deviation, steps] = [4, 2, 8, 4000];
  const move = (noiseCorrected: boolean): number => {
    const rule = { ...ADAM, epsilon: 1e-6, beta1: 0.999, beta2: 0.999, noiseCorrected } as OptimizerRule;
    const optimizer = new Optimizer([new Float32Array(64)], {
      learningRate: 1,
      rule,
      averageDecay: undefined,
    });
    let before = 0;
    for (let t = 0; t < steps; t++) {
      if (t === steps - 1) before = optimizer.parameters[0].reduce((a, b) => a + b, 0) / 64;
      const sum = normals(64).map((value) => batch * gradient + deviation * value);
      optimizer.update([sum], batch, deviation);
    }
    return before - optimizer.parameters[0].reduce((a, b) => a + b, 0) / 64;
  };
  // v̂ averages some 2,000 steps: relative deviation 0.03 uncorrected, 0.06 corrected, and 64 coordinates are averaged.
  expect(Math.abs(move(false) - Math.SQRT1_2)).toBeLessThan(0.05);
  expect(Math.abs(move(true) - 1)).toBeLessThan(0.08);
});

test("the sum is divided by the expected batch; momentum and average follow their formulas", () => {
  const optimizer = new Optimizer([Float32Array.of(1, 2)], {
    learningRate: 0.5,
    rule: { kind: "sgd", momentum: 0.5 },
    averageDecay: 0.9,
  });
  optimizer.update([Float64Array.of(8, -4)], 4);
  expect([...optimizer.parameters[0]]).toEqual([0, 2.5]);
  // Decay (1 + 0)/(10 + 0) = 0.1 at the first update: 0.1·1 + 0.9·0 and 0.1·2 + 0.9·2.5.
  expect([...optimizer.average![0]].map((v) => Number(v.toFixed(6)))).toEqual([0.1, 2.45]);
  optimizer.update([Float64Array.of(0, 0)], 4);
  expect([...optimizer.parameters[0]]).toEqual([-0.5, 2.75]);
  expect(averageDecay(0.9999, 0)).toBe(0.1);
  expect(averageDecay(0.9999, 90)).toBeCloseTo(0.91, 12);
  expect(averageDecay(0.5, 1000)).toBe(0.5);
});

test.each([ADAM, { kind: "sgd", momentum: 0.5 } as OptimizerRule])(
  "a restored optimizer goes on to the bit: $kind",
  (rule) => {
    const made = () =>
      new Optimizer([new Float32Array(5)], { learningRate: (t) => 1 / t, rule, averageDecay: 0.99 });
    const [one, other] = [made(), made()];
    for (let t = 0; t < 3; t++) one.update([normals(5)], 2);
    const { updates, arrays } = one.state;
    other.restore(structuredClone({ updates, arrays }) as typeof one.state);
    const next = normals(5);
    one.update([next], 2);
    other.update([next], 2);
    expect(other.state).toEqual(one.state);
    expect(() => other.restore({ updates: 1, arrays: { parameters: [new Float32Array(5)] } })).toThrow(
      "must be that of the same optimizer",
    );
  },
);

test("a schedule is a number or an expression over t and T, evaluated at every step before the run starts", async () => {
  expect((await scheduleOf(2, 10))(7)).toBe(2);
  const warm = await scheduleOf("2*min(1, t/4)*(1 - (t - 1)/T)", 8);
  expect([1, 2, 4, 8].map(warm)).toEqual([0.5, 2 * 0.5 * (7 / 8), 2 * (5 / 8), 2 / 8]);
  const cosine = await scheduleOf("0.5*(1 + cos(3.141592653589793*t/T))", 4);
  [1, 2, 3, 4].forEach((t) => {
    expect(cosine(t)).toBeCloseTo((1 + Math.cos((Math.PI * t) / 4)) / 2, 14);
  });
  // A run that does lost steps again has more than T: the last rate holds.
  expect(warm(9)).toBe(warm(8));
  for (const [rate, message] of [
    [0, "learningRate must be > 0 and finite, got 0"],
    [Number.NaN, "learningRate must be > 0 and finite, got NaN"],
    ["1 - t/2", "learningRate must be >= 0 at every step, got -0.5 at t = 3"],
    ["0*t", 'learningRate must be > 0 at some step, got "0*t"'],
    ["1/(3 - t)", 'learningRate must be a finite real number, got "1/(3 - t)" = Infinity (t = 3)'],
    ["x + 1", "unknown name"],
    ["process.exit()", "learningRate must be arithmetic"],
  ] as const)
    await expect(scheduleOf(rate, 8)).rejects.toThrow(message);
});

test("the average is the same whenever it is asked for, and is in the state", () => {
  const made = () =>
    new Optimizer([Float32Array.from(normals(9)), Float32Array.from(normals(2))], {
      learningRate: 0.5,
      rule: { kind: "sgd", momentum: 0.5 },
      averageDecay: 0.9,
    });
  const often = made();
  const [seldom, told, restored] = [made(), made(), made()];
  for (const other of [seldom, told]) other.restore(often.state);
  for (let t = 0; t < 6; t++) {
    const sums = [normals(9), normals(2)];
    for (const each of [often, seldom, told]) each.update(sums, 4);
    expect(often.average).toBeDefined();
    told.catchUp();
    told.catchUp();
  }
  restored.restore(seldom.state);
  for (const each of [seldom, told, restored]) expect(each.average).toEqual(often.average);
  expect(often.average).not.toEqual(often.parameters);
});
