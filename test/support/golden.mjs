// The reference values that other implementations computed, where they are at hand, and the events they are about.
import { existsSync, readFileSync } from "node:fs";

/**
 * @typedef {object} GoldenCase
 * @property {string} id
 * @property {string} kind
 * @property {any} inputs
 * @property {any} expected
 */

/** The file that DPSGD_GOLDEN names, or the one beside the repository. @returns {GoldenCase[] | undefined} */
export function goldenCases() {
  for (const place of [process.env.DPSGD_GOLDEN, "../shared/golden"]) {
    if (!place) continue;
    const path = place.endsWith(".json") ? place : `${place}/accounting.json`;
    if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")).cases;
  }
  return undefined;
}

/** The file's names of neighbouring relations. */
export const RELATIONS = {
  add_or_remove_one: "add-or-remove-one",
  replace_one: "replace-one",
  replace_special: "zero-out-one",
};

/**
 * From a case's inputs to its event; undefined where none stands for the mechanism. `accounting` is the module
 * `dpsgd/accounting`, as source or as built.
 */
export function goldenEvents({ dpSgdEvent, eventFromDpAccounting, randomAllocationEvent }) {
  const sgd = (run) =>
    dpSgdEvent({
      samplingRate: run.sampling_probability,
      noiseMultiplier: run.noise_multiplier,
      steps: run.steps,
    });
  const select = (repetitions, inputs) => ({ kind: "repeat-and-select", repetitions, event: sgd(inputs) });

  function mechanism(inputs) {
    const times = (event) => ({ kind: "repeated", count: inputs.steps ?? 1, event });
    const gaussian = { kind: "gaussian", noiseMultiplier: inputs.noise_multiplier };
    switch (inputs.mechanism) {
      case "laplace":
        return times({ kind: "laplace", noiseMultiplier: inputs.noise_multiplier });
      case "poisson_subsampled_laplace":
        return times({
          kind: "poisson-sampled",
          samplingRate: inputs.sampling_probability,
          event: { kind: "laplace", noiseMultiplier: inputs.noise_multiplier },
        });
      case "discrete_laplace":
        return times({
          kind: "discrete-laplace",
          parameter: inputs.noise_parameter,
          sensitivity: inputs.sensitivity,
        });
      case "randomized_response":
        return times({
          kind: "randomized-response",
          noiseProbability: inputs.noise_parameter,
          buckets: inputs.num_buckets,
        });
      case "epsilon_delta":
        return times({ kind: "epsilon-delta", epsilon: inputs.epsilon, delta: inputs.delta_each });
      case "zcdp":
        return { kind: "zcdp", rho: inputs.rho, xi: inputs.xi };
      case "tree_aggregation_single_epoch":
        return {
          kind: "repeated",
          count: inputs.epochs,
          event: eventFromDpAccounting([
            "",
            "SingleEpochTreeAggregationDpEvent",
            inputs.noise_multiplier,
            inputs.step_counts,
          ]),
        };
      case "repeat_and_select_geometric":
        // Mean of a geometric law: 1/γ.
        return select({ kind: "negative-binomial", eta: 1, gamma: 1 / inputs.mean }, inputs);
      case "repeat_and_select_logarithmic":
      case "repeat_and_select_negative_binomial":
        return eventFromDpAccounting({
          class_name: "RepeatAndSelectDpEvent",
          mean: inputs.mean,
          shape: inputs.shape,
          event: [
            "",
            "SelfComposedDpEvent",
            [
              "",
              "PoissonSampledDpEvent",
              inputs.sampling_probability,
              ["", "GaussianDpEvent", inputs.noise_multiplier],
            ],
            inputs.steps,
          ],
        });
      case "truncated_poisson_gaussian":
        return times({
          kind: "truncated-poisson-sampled",
          samplingRate: inputs.sampling_probability,
          datasetSize: inputs.dataset_size,
          maximumBatchSize: inputs.truncated_batch_size,
          event: gaussian,
        });
      case "fixed_size_without_replacement_gaussian":
        return times({
          kind: "sampled-without-replacement",
          sourceSize: inputs.source_dataset_size,
          sampleSize: inputs.sample_size,
          // Ours is over the clip norm, of which a replaced record moves the sum by twice.
          event: { kind: "gaussian", noiseMultiplier: 2 * inputs.noise_multiplier_over_l2_sensitivity },
        });
      case "permute_and_flip":
        return times({ kind: "epsilon-delta", epsilon: inputs.epsilon, delta: 0 });
      case "gaussian_plus_laplace":
        return {
          kind: "composed",
          events: [
            { kind: "gaussian", noiseMultiplier: 3 },
            { kind: "laplace", noiseMultiplier: 2 },
            dpSgdEvent({ samplingRate: 0.02, noiseMultiplier: 1.5, steps: 500 }),
          ],
        };
      case "non_private":
        return { kind: "non-private" };
      case "no_op":
        return { kind: "none" };
      default:
        return undefined;
    }
  }

  return ({ kind, inputs }) => {
    switch (kind) {
      case "other_mechanism_epsilon":
        return mechanism(inputs);
      case "rdp_at_orders":
        return inputs.steps === undefined
          ? mechanism({ ...inputs, noise_multiplier_over_l2_sensitivity: inputs.noise_multiplier })
          : sgd(inputs);
      case "random_allocation_epsilon":
        return {
          kind: "repeated",
          count: inputs.epochs,
          event: randomAllocationEvent({
            event: { kind: "gaussian", noiseMultiplier: inputs.noise_multiplier },
            steps: inputs.steps_per_epoch,
            selected: inputs.selected_per_epoch,
          }),
        };
      case "analytic_gaussian_epsilon":
        return { kind: "gaussian", noiseMultiplier: inputs.noise_multiplier };
      default:
        return { kind: "composed", events: (inputs.components ?? [inputs]).map(sgd) };
    }
  };
}
