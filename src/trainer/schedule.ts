// The learning rate over a run: a number, or an expression over the step t = 1 … T and the number of steps T.
import { positive } from "../formats/argumentChecks.js";
import { ArgumentError } from "../formats/argumentError.js";
import { ExpressionError, Expressions } from "../math/expression.js";

/** The learning rate of step t, 1 ≤ t ≤ T. */
export type Schedule = (step: number) => number;

/**
 * The schedule that `rate` describes: a number > 0, or an expression such as "2*min(1, t/100)*(1 - t/T)^0.5 + 0.01".
 * Throws ArgumentError unless it is finite and not below zero at every step, and above zero at some: before a run starts, not in it.
 */
export async function scheduleOf(rate: number | string, steps: number): Promise<Schedule> {
  if (typeof rate === "number") {
    positive("learningRate", rate);
    return () => rate;
  }
  const rates = new Float64Array(steps);
  for (let t = 1; t <= steps; t++) {
    const at = await Expressions.load(["t", "T"], (name) => (name === "t" ? t : steps));
    try {
      rates[t - 1] = at.evaluate(rate);
    } catch (error) {
      if (error instanceof ExpressionError)
        throw new ArgumentError("learningRate", error.allowed, `${error.found} (t = ${t})`);
      throw error;
    }
    if (!(rates[t - 1] >= 0))
      throw new ArgumentError("learningRate", ">= 0 at every step", `${rates[t - 1]} at t = ${t}`);
  }
  if (!rates.some((each) => each > 0))
    throw new ArgumentError("learningRate", "> 0 at some step", JSON.stringify(rate));
  return (step) => rates[Math.min(step, steps) - 1];
}
