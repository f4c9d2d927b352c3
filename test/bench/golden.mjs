// How wide the certified intervals are for every case of the reference file, and for neighbours of each drawn at random,
// by the accountant that users get; with the processor time of each question.
import { writeFileSync } from "node:fs";
import { connectTheDotsAccountant } from "../../dist/accounting/connectTheDots/index.js";
import * as accounting from "../../dist/accounting/index.js";
import { goldenCases, goldenEvents, RELATIONS } from "../support/golden.mjs";
import { generator } from "./generator.mjs";
import { digits, table } from "./table.mjs";

const eventOf = goldenEvents(accounting);
/** Relative width from which on an interval is called wide. */
const WIDE = 1e-4;

/** Relations of a case: its own, or both that it asks about. */
function relationsOf({ kind, inputs }) {
  if (kind === "replace_relations_epsilon") return ["zero-out-one", "replace-one"];
  return [RELATIONS[inputs.neighboring_relation] ?? "add-or-remove-one"];
}

/** The same kind of question with every number moved, by a factor of up to `most` either way. */
function neighbour(each, uniform, most) {
  const factor = () => most ** (2 * uniform() - 1);
  const whole = (n, least) => Math.max(least, Math.round(n * factor()));
  const move = (inputs) => {
    const moved = { ...inputs };
    for (const [name, value] of Object.entries(inputs)) {
      if (/^(noise_multiplier|noise_multiplier_over_l2_sensitivity|rho|epsilon)$/.test(name))
        moved[name] = value * factor();
      else if (/^(delta|delta_each)$/.test(name)) moved[name] = Math.min(0.5, value * factor() ** 3);
      else if (name === "sampling_probability" || (name === "noise_parameter" && inputs.num_buckets))
        moved[name] = Math.min(1, value * factor());
      else if (name === "noise_parameter") moved[name] = value * factor();
      else if (name === "num_buckets") moved[name] = whole(value, 2);
      else if (/^(steps|steps_per_epoch|epochs|sensitivity|truncated_batch_size)$/.test(name))
        moved[name] = whole(value, 1);
      else if (name === "selected_per_epoch") moved[name] = Math.min(moved.steps_per_epoch, whole(value, 1));
      else if (name === "step_counts")
        moved[name] = Array.isArray(value) ? value.map((n) => whole(n, 1)) : whole(value, 1);
      else if (name === "mean") moved[name] = Math.max(1, value * factor());
      else if (/^(source_dataset_size|dataset_size)$/.test(name)) moved[name] = whole(value, 1);
      else if (name === "sample_size") moved[name] = Math.min(moved.source_dataset_size, whole(value, 1));
      else if (name === "components" && Array.isArray(value)) moved[name] = value.map(move);
    }
    return moved;
  };
  return { ...each, inputs: move(each.inputs) };
}

/** One question: how wide the answer is and what it took. */
function ask(each, neighboring, name) {
  const { inputs } = each;
  const before = process.cpuUsage();
  const curve = accounting.accountant("pld", { neighboring });
  const row = { id: each.id, case: name, neighboring, inputs };
  try {
    const opened = openedCurve(curve, neighboring, eventOf(each));
    const delta = inputs.delta;
    const { lower, upper } =
      delta === undefined ? opened.deltaIntervalAt(inputs.epsilon ?? 0) : opened.epsilonIntervalAt(delta);
    Object.assign(row, {
      accountant: opened.accountant,
      asked: delta === undefined ? "delta" : "epsilon",
      lower,
      upper,
      width: widthOf({ lower, upper }),
    });
    row.numerical = row.width > WIDE ? numerical(each, neighboring) : row.width;
  } catch (error) {
    row.error = `${error.name}: ${error.message}`;
  }
  const { user, system } = process.cpuUsage(before);
  return { ...row, ms: (user + system) / 1000 };
}

const widthOf = ({ lower, upper }) => (upper === lower ? 0 : (upper - lower) / upper);

/** Of the pairs that dominate, where no mechanism is known to cost as much: what of a width is not the theorem's. */
function numerical(each, neighboring) {
  try {
    const { delta, epsilon = 0 } = each.inputs;
    const curve = connectTheDotsAccountant({ neighboring, maximumNodes: 2 ** 18, lowerEnds: "pair" }).account(
      eventOf(each),
    );
    return widthOf(delta === undefined ? curve.deltaIntervalAt(epsilon) : curve.epsilonIntervalAt(delta));
  } catch (error) {
    if (!(error instanceof accounting.UnsupportedEventError)) throw error;
    // Rényi accounting: by quadrature, of which no width is known.
    return undefined;
  }
}

/** By "pld"; what only Rényi accounting proves, by that: it has no lower end. */
function openedCurve(pld, neighboring, event) {
  try {
    return pld.account(event);
  } catch (error) {
    if (!(error instanceof accounting.UnsupportedEventError)) throw error;
    return accounting.accountant("rdp", { neighboring }).account(event);
  }
}

/** Questions about σ, asked as what ε it costs. */
function asked(each) {
  const { kind, inputs, expected } = each;
  if (kind === "sigma_from_epsilon")
    return { ...each, inputs: { ...inputs, noise_multiplier: expected.sigma_reference_exact } };
  if (kind === "analytic_gaussian_sigma")
    return {
      ...each,
      kind: "analytic_gaussian_epsilon",
      inputs: { epsilon: inputs.epsilon, noise_multiplier: expected.dp_accounting },
    };
  return each;
}

const kindOf = ({ kind, inputs }) => (kind === "other_mechanism_epsilon" ? inputs.mechanism : kind);

/** neighbours: how many a case; factor: by how much each number may move. */
export async function run({ neighbours = "0", factor = "4", seed = "1", kind, json }) {
  const cases = (goldenCases() ?? [])
    .map(asked)
    .filter((each) => each.kind !== "empirical_audit" && (!kind || kindOf(each).includes(kind)));
  if (cases.length === 0) throw new Error("no case: is there a file that DPSGD_GOLDEN names?");
  const uniform = generator(Number(seed));
  const rows = [];
  for (const each of cases) {
    const all = [each];
    for (let i = 0; i < Number(neighbours); i++) all.push(neighbour(each, uniform, Number(factor)));
    all.forEach((one, i) => {
      for (const neighboring of relationsOf(one))
        rows.push({ kind: kindOf(each), ...ask(one, neighboring, i) });
    });
  }
  const shown = rows.filter((row) => row.case === 0 || row.error || !(row.width <= WIDE));
  table(
    ["case", "relation", "by", "lower end", "upper end", "relative width", "numerical", "ms"],
    shown.map((row) => [
      row.case === 0 ? row.id : `${row.id} near ${row.case}`,
      row.neighboring,
      ...(row.error
        ? [row.error.slice(0, 60), "", "", "", ""]
        : [
            row.accountant,
            digits(row.lower),
            digits(row.upper),
            row.width.toExponential(1),
            row.numerical?.toExponential(1) ?? "",
          ]),
      row.ms.toFixed(0),
    ]),
  );
  for (const row of shown) if (row.case > 0) console.log(JSON.stringify(row));
  const kinds = [...new Set(rows.map((row) => row.kind))];
  console.log();
  table(
    ["kind", "by", "questions", "widest", "numerical", "above 1e-4", "errors", "most ms", "mean ms"],
    kinds.map((name) => {
      const of = rows.filter((row) => row.kind === name);
      const widths = of.filter((row) => !row.error).map((row) => row.width);
      const total = of.reduce((sum, row) => sum + row.ms, 0);
      return [
        name,
        [...new Set(of.map((row) => row.accountant))].join(" "),
        String(of.length),
        widths.length ? Math.max(...widths).toExponential(1) : "",
        widths.length ? Math.max(...of.map((row) => row.numerical ?? 0)).toExponential(1) : "",
        String(widths.filter((width) => !(width <= WIDE)).length),
        String(of.filter((row) => row.error).length),
        Math.max(...of.map((row) => row.ms)).toFixed(0),
        (total / of.length).toFixed(0),
      ];
    }),
  );
  if (json) writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
}
