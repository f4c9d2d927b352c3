// The page's script: solves for the noise at every change, in the browser.
import { plan, roundedUp } from "dpsgd/planner";

const form = document.querySelector("form");
const output = document.querySelector("output");

function solve() {
  const request = Object.fromEntries([...new FormData(form)].map(([name, text]) => [name, Number(text)]));
  try {
    const { noiseMultiplier, achieved } = plan(request);
    output.textContent = `noise multiplier ${roundedUp(noiseMultiplier, 6)} spends epsilon ${roundedUp(achieved.epsilon, 6)}`;
  } catch (error) {
    output.textContent = error.message;
  }
}

form.addEventListener("input", solve);
solve();
