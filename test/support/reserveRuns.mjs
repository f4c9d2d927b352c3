// A process that reserves runs in a budget file: FILE NAME COUNT EVENT. COUNT 0 takes the lock and keeps it until it is killed.
import { createHash } from "node:crypto";
import { reserve } from "../../dist/audit/budget.js";
import { addToBudget } from "../../dist/runs/budgetFile.js";

const [file, name, count, event] = process.argv.slice(2);
if (count === "0")
  await addToBudget(file, () => {
    process.stdout.write("holds the lock\n");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
let accepted = 0;
for (let i = 0; i < Number(count); i++)
  try {
    const folder = `/runs/${name}-${i}`;
    const runId = createHash("md5").update(folder).digest("hex");
    const run = { runId, folder, event: JSON.parse(event), at: new Date().toISOString() };
    await addToBudget(file, (budget) => [reserve(budget, run)]);
    accepted++;
  } catch (error) {
    if (error.name !== "BudgetExceededError") throw error;
  }
process.stdout.write(`${accepted}\n`);
