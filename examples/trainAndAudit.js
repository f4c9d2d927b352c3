// Your own data and network: plan, train by DP-SGD, and audit the run folder. Synthetic images: which half is brighter?
// node examples/trainAndAudit.js [FOLDER]
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { audit } from "dpsgd/audit";
import { plan } from "dpsgd/planner";
import { readRunFolder, train } from "dpsgd/trainer";

const out = process.argv[2] ?? join(mkdtempSync(join(tmpdir(), "dpsgd-")), "run");
const size = 6;

/** 8-bit images, row by row, with one label each. */
function images(count) {
  const labels = Uint8Array.from({ length: count }, () => Math.floor(2 * Math.random()));
  const pixels = Uint8Array.from({ length: count * size * size }, (_, i) => {
    const bright =
      Math.floor((i % (size * size)) / (size * size * 0.5)) === labels[Math.floor(i / (size * size))];
    return Math.floor(128 * Math.random()) + (bright ? 100 : 0);
  });
  return { count, shape: [size, size, 1], pixels, labels };
}

const data = { name: "halves", classes: 2, train: images(4000), test: images(500) };
const model = {
  name: "small",
  inputShape: [size, size, 1],
  classes: 2,
  layers: [{ kind: "flatten" }, { kind: "dense", units: 8 }, { kind: "tanh" }, { kind: "dense", units: 2 }],
};

const made = plan({ examples: data.train.count, batchSize: 400, steps: 40, epsilon: 2, delta: 1e-5 });
const { testAccuracy } = await train(made, { data, model, out, backend: "wasm", workers: 1 });
console.log(`test accuracy ${(100 * testAccuracy).toFixed(1)} %`);

const { plan: stored, ledgerText } = readRunFolder(out);
const { verdict, claimed, recomputed } = audit(stored, ledgerText);
console.log(`the claim of epsilon ${claimed.epsilon.toFixed(4)} at delta ${claimed.delta}: ${verdict}`);
for (const { accountant, epsilon } of recomputed)
  console.log(`recomputed by ${accountant}: ${epsilon.toFixed(4)}`);
