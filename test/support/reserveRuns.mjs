// A process that reserves runs in a budget file: FILE NAME COUNT EVENT. COUNT 0 takes the lock and keeps it until it is killed.
import { reserve } from "../../dist/audit/index.js";
import { updateBudget } from "../../dist/runs/budgetFile.js";

const [file, name, count, event] = process.argv.slice(2);
if (count === "0")
  await updateBudget(file, () => {
    process.stdout.write("holds the lock\n");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
let accepted = 0;
for (let i = 0; i < Number(count); i++)
  try {
    const run = { folder: `/runs/${name}-${i}`, event: JSON.parse(event), since: new Date().toISOString() };
    await updateBudget(file, (budget) => reserve(budget, run));
    accepted++;
  } catch (error) {
    if (error.name !== "BudgetExceededError") throw error;
  }
process.stdout.write(`${accepted}\n`);
