// A plan as code for other frameworks: the same event, put together from their parts.
import { ArgumentError } from "../formats/argumentError.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { Plan } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import { runsText, searchOf, type TuningRuns } from "../formats/tuning.js";
import { VERSION } from "../formats/version.js";

/** Frameworks that `emit` knows, with the release that the code was run against. */
export const FRAMEWORKS = {
  opacus: "Opacus 1.6",
  "jax-privacy": "jax_privacy 2.0",
  "tensorflow-privacy": "TensorFlow Privacy 0.9",
} as const;
/** A framework that `emit` writes code for. */
export type Framework = keyof typeof FRAMEWORKS;

/**
 * Python code that trains as the plan says: Poisson sampling at exactly B/N, one noisy sum a step, division by the
 * expected batch size, and the framework's own accountant asked about the same event. Clip norm and learning rate are the
 * user's. RangeError for a framework it does not know, or a search that dp_accounting has no event for.
 */
export function emit(plan: Plan, framework: Framework): string {
  const write = Object.hasOwn(WRITERS, framework) ? WRITERS[framework] : undefined;
  if (!write)
    throw new ArgumentError(
      "emit",
      `one of ${Object.keys(FRAMEWORKS).join(", ")}`,
      JSON.stringify(framework),
    );
  return `${[...header(plan, framework), ...write(plan)].join("\n")}\n`;
}

function header(plan: Plan, framework: Framework): string[] {
  const { achieved, warnings } = plan;
  const search = searchOf(plan);
  return [
    `# ${FRAMEWORKS[framework]}: the run of a dpsgd ${VERSION} plan.`,
    `# epsilon ${roundedUp(achieved.epsilon, 6)} at delta ${achieved.delta}, ${achieved.neighboring}, by ${achieved.accountant}.`,
    ...(search
      ? [
          `# Epsilon includes a search of ${runsText(search.runs)} runs: ${
            search.before
              ? "they come before this one and are trained alike, with their own batch size, noise and steps."
              : "this is one of them."
          }`,
        ]
      : []),
    ...warnings.map((each) => `# warning: ${each}`),
  ];
}

/** The plan's public constants; all digits, B and N as they are, so that the rate is the same double. */
function constants({ examples, batchSize, noiseMultiplier, steps, achieved }: Plan): string[] {
  return [
    "",
    `EXAMPLES = ${examples}`,
    `BATCH_SIZE = ${batchSize}  # expected: sums are divided by it, never by the number drawn`,
    "SAMPLING_RATE = BATCH_SIZE / EXAMPLES",
    `NOISE_MULTIPLIER = ${noiseMultiplier}`,
    `STEPS = ${steps}`,
    `DELTA = ${achieved.delta}`,
    "CLIP_NORM = 1.0  # yours to choose: epsilon does not depend on it",
  ];
}

const RELATIONS = {
  "add-or-remove-one": "ADD_OR_REMOVE_ONE",
  "replace-one": "REPLACE_ONE",
  "zero-out-one": "REPLACE_SPECIAL",
} as const;

/** dp_accounting's own event of all that the plan spends, and its ε. */
function accounting(plan: Plan): string[] {
  const { accountant, neighboring } = plan.achieved;
  const relation = `NeighboringRelation.${RELATIONS[neighboring]}`;
  return [
    "",
    "",
    "def epsilon():",
    '    """What dp_accounting says of the whole plan, an upper bound of its own."""',
    `    event = ${eventText(plan.event, plan.request.tuningRuns)}`,
    accountant === "rdp"
      ? `    accountant = dp_accounting.rdp.RdpAccountant(neighboring_relation=dp_accounting.${relation})`
      : `    accountant = dp_accounting.pld.PLDAccountant(neighboring_relation=dp_accounting.${relation})`,
    "    return accountant.compose(event).get_epsilon(DELTA)",
  ];
}

function eventText(event: PrivacyEvent, runs: TuningRuns | undefined): string {
  const inner = (each: PrivacyEvent): string => eventText(each, runs);
  switch (event.kind) {
    case "gaussian":
      return `dp_event.GaussianDpEvent(${event.noiseMultiplier})`;
    case "poisson-sampled":
      return `dp_event.PoissonSampledDpEvent(${event.samplingRate}, ${inner(event.event)})`;
    case "repeated":
      return `dp_event.SelfComposedDpEvent(${inner(event.event)}, ${event.count})`;
    case "composed":
      return `dp_event.ComposedDpEvent([${event.events.map(inner).join(", ")}])`;
    case "repeat-and-select": {
      if (runs?.kind === "poisson")
        return `dp_event.RepeatAndSelectDpEvent(${inner(event.event)}, mean=${runs.mean}, shape=float("inf"))`;
      if (runs?.kind === "negative-binomial" && runs.eta >= 0)
        return `dp_event.RepeatAndSelectDpEvent(${inner(event.event)}, mean=${runs.mean}, shape=${runs.eta})`;
      throw new ArgumentError(
        "emit",
        "of a search with η >= 0, for dp_accounting has no event for less",
        `${runs?.kind === "negative-binomial" ? runs.eta : "another"}`,
      );
    }
    default:
      throw new ArgumentError("emit", "of DP-SGD", `an event of kind ${event.kind}`);
  }
}

const WRITERS: { readonly [F in Framework]: (plan: Plan) => string[] } = {
  opacus: (plan) => [
    "# PrivacyEngine.make_private would sample at 1 / len(data_loader), which is another rate unless N / B is whole: so its",
    "# parts are put together here. Opacus draws noise and batches from PyTorch's generator, which is not cryptographic.",
    "import dp_accounting",
    "from dp_accounting import dp_event",
    "from opacus import GradSampleModule",
    "from opacus.accountants import RDPAccountant",
    "from opacus.data_loader import DPDataLoader",
    "from opacus.optimizers import DPOptimizer",
    ...constants(plan),
    "",
    "",
    "def make_private(model, optimizer, dataset):",
    '    """Like PrivacyEngine.make_private, at the plan\'s own rate; the loss must be a mean over the batch."""',
    "    assert len(dataset) == EXAMPLES",
    "    model = GradSampleModule(model)",
    "    optimizer = DPOptimizer(",
    "        optimizer,",
    "        noise_multiplier=NOISE_MULTIPLIER,",
    "        max_grad_norm=CLIP_NORM,",
    "        expected_batch_size=BATCH_SIZE,",
    "    )",
    "    accountant = RDPAccountant()",
    "    optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(sample_rate=SAMPLING_RATE))",
    "    return model, optimizer, DPDataLoader(dataset, sample_rate=SAMPLING_RATE), accountant",
    "",
    "",
    "def batches(data_loader):",
    '    """The plan\'s number of batches, empty ones included: each is a step (zero_grad, backward, optimizer.step)."""',
    "    done = 0",
    "    while True:",
    "        for batch in data_loader:",
    "            yield batch",
    "            done += 1",
    "            if done == STEPS:",
    "                return",
    ...accounting(plan),
    "",
    "",
    "# model, optimizer, data_loader, accountant = make_private(model, optimizer, dataset)",
    "# ... train; then keep accountant.state_dict(): dpsgd audit --import opacus reads its history.",
  ],
  "jax-privacy": (plan) => [
    "import secrets",
    "",
    "import dp_accounting",
    "import jax",
    "import numpy as np",
    "import optax",
    "from dp_accounting import dp_event",
    "from jax_privacy import batch_selection, clipping, noise_addition",
    ...constants(plan),
    "",
    "",
    "def train(loss, params, optimizer, features, labels):",
    '    """loss(params, features, labels) of a batch of one; optimizer from optax, for updates of unit clip norm."""',
    "    assert len(features) == EXAMPLES",
    "    batches = batch_selection.CyclicPoissonSampling(",
    "        sampling_prob=SAMPLING_RATE,",
    "        iterations=STEPS,",
    "        partition_type=batch_selection.PartitionType.INDEPENDENT,",
    "    )",
    "    clipped_sum = jax.jit(",
    "        clipping.clipped_grad(",
    "            loss, l2_clip_norm=CLIP_NORM, rescale_to_unit_norm=True, batch_argnums=(1, 2)",
    "        ).fun",
    "    )",
    "    noise = noise_addition.gaussian_privatizer(stddev=NOISE_MULTIPLIER, prng_key=secret_key())",
    "    noise_state = noise.init(params)",
    "    state = optimizer.init(params)",
    "    for indices in batches.batch_iterator(EXAMPLES, rng=secrets.randbits(256)):",
    "        # Few sizes, few compilations; index -1 is padding, and an empty batch is a step like any other.",
    "        size = 64 * max(1, -(-len(indices) // 64))",
    "        padded = np.pad(indices.astype(np.int64), (0, size - len(indices)), constant_values=-1)",
    "        total = clipped_sum(params, features[padded], labels[padded], is_padding_example=padded == -1)",
    "        total, noise_state = noise.update(total, noise_state)",
    "        mean = jax.tree.map(lambda each: each / BATCH_SIZE, total)",
    "        updates, state = optimizer.update(mean, state, params)",
    "        params = optax.apply_updates(params, updates)",
    "    return params",
    "",
    "",
    "def secret_key():",
    '    """64 secret bits: the library\'s own default has 31."""',
    "    return jax.random.wrap_key_data(np.frombuffer(secrets.token_bytes(8), dtype=np.uint32))",
    ...accounting(plan),
  ],
  "tensorflow-privacy": (plan) => [
    "# Its Keras optimizers divide by the number of examples drawn, which depends on the data, and there is no Poisson",
    "# sampler: so clipping is the library's, and sampling, noise and division are written out.",
    "import secrets",
    "",
    "import dp_accounting",
    "import numpy as np",
    "import tensorflow as tf",
    "from dp_accounting import dp_event",
    "from tensorflow_privacy.privacy.optimizers.clip_and_aggregate_gradients import (",
    "    clip_and_aggregate_gradients,",
    ")",
    ...constants(plan),
    "",
    "",
    "def train(model, loss, optimizer, features, labels):",
    '    """loss(labels, predictions) has one value for each example (reduction NONE)."""',
    "    assert len(features) == EXAMPLES",
    "    sampler = np.random.default_rng(secrets.randbits(256))",
    "    noise = tf.random.Generator.from_seed(secrets.randbits(63))",
    "    variables = model.trainable_variables",
    "    for _ in range(STEPS):",
    "        drawn = np.flatnonzero(sampler.random(EXAMPLES) < SAMPLING_RATE)",
    "        sums = [tf.zeros_like(each) for each in variables]",
    "        if len(drawn) > 0:  # an empty batch is a step like any other: noise alone",
    "            with tf.GradientTape(persistent=True) as tape:",
    "                values = loss(labels[drawn], model(features[drawn], training=True))",
    "            sums = clip_and_aggregate_gradients(",
    '                tape, values, variables, l2_norm_clip=CLIP_NORM, aggregate_method="sum"',
    "            )",
    "        noisy = [",
    "            (each + noise.normal(each.shape, stddev=NOISE_MULTIPLIER * CLIP_NORM)) / BATCH_SIZE",
    "            for each in sums",
    "        ]",
    "        optimizer.apply_gradients(zip(noisy, variables))",
    ...accounting(plan),
  ],
};
