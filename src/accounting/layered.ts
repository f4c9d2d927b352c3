// Accountants by name, from layers: "pld" is exact numerical accounting, "rdp" Rényi accounting for those who must.
import { oneOf } from "../formats/argumentChecks.js";
import { ArgumentError } from "../formats/argumentError.js";
import { flatten, type PrivacyEvent } from "../formats/event.js";
import { type AccountantName, NEIGHBORINGS, type Neighboring } from "../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import { type Accountant, type Interval, type PrivacyCurve, UnsupportedEventError } from "./accountant.js";
import { contourAccountant } from "./contour/index.js";
import { IntervalCurve, narrowedBy } from "./intervalCurve.js";
import { rdpAccountant } from "./rdp/index.js";
import { atomsOf } from "./reduction.js";

/** What an accountant by name is for, and how long it may look. */
export interface AccountantOptions {
  /** Default: add-or-remove-one. */
  readonly neighboring?: Neighboring;
  /**
   * "thorough" (default) asks every layer that may narrow a wide interval, which can take seconds for a few steps at
   * sampling rates of 1e-3 and below; "contour" the contour integral alone, bent where straight lines are wide (tenths of
   * a second), for searches; "quick" straight lines alone, for whole curves.
   */
  readonly effort?: "quick" | "contour" | "thorough";
}

const OPTION_FIELDS = {
  neighboring: true,
  effort: true,
} satisfies FieldsOf<AccountantOptions>;

/** A layer of exact accounting between the contour integral and the Rényi bound; asked only where thorough. */
export type Layer = (options: { readonly neighboring?: Neighboring }) => Accountant;

/**
 * The accountant of that name:
 * - "pld": the exact privacy loss by the contour integral; where its interval is wide (few steps, very low sampling
 *   rates), or it does not take the event, by the layers in `between`; where that stays wide the Rényi bound stands
 *   beside it. Every end is proven by itself, so the best of each side counts. An event that only the Rényi accountant
 *   can prove is refused, so that a number called pld is one.
 * - "rdp": Rényi differential privacy at the best real order. Its lower ends are 0, but for what is known by zCDP only:
 *   there they are those of a mechanism of that kind, by the first layer that takes it (docs/math-reductions.md, theorem 5).
 */
export function layeredAccountant(
  name: AccountantName,
  options: AccountantOptions,
  between: readonly Layer[],
  contour: Layer = contourAccountant,
): Accountant {
  checkFields("accountant", options, OPTION_FIELDS);
  const { neighboring = "add-or-remove-one", effort = "thorough" } = options;
  oneOf("neighboring", neighboring, NEIGHBORINGS);
  oneOf("effort", effort, ["quick", "contour", "thorough"]);
  const first = effort === "quick" ? contourAccountant : contour;
  const layers = [first, ...between].map((layer) => layer({ neighboring }));
  if (name === "rdp") {
    const rdp = rdpAccountant({ neighboring });
    return { name, neighboring, account: (event) => withLeast(rdp.account(event), event, layers) };
  }
  if (name !== "pld") throw new ArgumentError("accountant", "pld or rdp", String(name));
  return {
    name,
    neighboring,
    account(event) {
      const reasons: UnsupportedEventError[] = [];
      for (const [i, layer] of layers.entries()) {
        try {
          const first = layer.account(event);
          const later = effort === "thorough" ? layers.slice(i + 1) : [];
          return new LayeredCurve(first, event, [...later, rdpAccountant({ neighboring })]);
        } catch (error) {
          if (!(error instanceof UnsupportedEventError)) throw error;
          reasons.push(error);
        }
      }
      const { eventKind, reason, instead } = reasons[reasons.length - 1]!;
      throw new UnsupportedEventError(name, eventKind, reason, instead?.startsWith("pld") ? "rdp" : instead);
    },
  };
}

/** The curve, with lower ends where zCDP is all that is known of a part of the event and some layer takes what shows it. */
function withLeast(curve: PrivacyCurve, event: PrivacyEvent, layers: readonly Accountant[]): PrivacyCurve {
  if (!flatten(event).some(({ event: atom }) => atom.kind === "zcdp")) return curve;
  const { accountant, neighboring } = curve;
  const shown: PrivacyEvent = {
    kind: "composed",
    events: atomsOf(event, { neighboring, accountant }, "shown").map((part) => ({
      kind: "repeated",
      ...part,
    })),
  };
  for (const layer of layers) {
    let least: PrivacyCurve;
    try {
      least = layer.account(shown);
    } catch (error) {
      if (!(error instanceof UnsupportedEventError)) throw error;
      continue;
    }
    return new LowerEndedCurve(curve, least);
  }
  return curve;
}

/** A curve of upper bounds, with the lower ends of another one. */
class LowerEndedCurve extends IntervalCurve {
  readonly accountant: string;
  readonly neighboring: Neighboring;

  constructor(
    private readonly bounds: PrivacyCurve,
    private readonly least: PrivacyCurve,
  ) {
    super();
    this.accountant = bounds.accountant;
    this.neighboring = bounds.neighboring;
  }

  override epsilonAt(delta: number): number {
    return this.bounds.epsilonAt(delta);
  }

  override deltaAt(epsilon: number): number {
    return this.bounds.deltaAt(epsilon);
  }

  epsilonIntervalAt(delta: number): Interval {
    const upper = this.bounds.epsilonAt(delta);
    return { lower: Math.min(this.least.epsilonIntervalAt(delta).lower, upper), upper };
  }

  deltaIntervalAt(epsilon: number): Interval {
    const upper = this.bounds.deltaAt(epsilon);
    return { lower: Math.min(this.least.deltaIntervalAt(epsilon).lower, upper), upper };
  }
}

/** Relative width from which on the next layer is asked too. */
const WIDE = 1e-4;

/** The intersection of what the layers prove; a later layer is asked only where the earlier ones are wide. */
class LayeredCurve extends IntervalCurve {
  readonly accountant = "pld";
  readonly neighboring: Neighboring;
  private readonly opened = new Map<Accountant, PrivacyCurve | undefined>();

  constructor(
    private readonly first: PrivacyCurve,
    private readonly event: PrivacyEvent,
    private readonly later: readonly Accountant[],
  ) {
    super();
    this.neighboring = first.neighboring;
  }

  epsilonIntervalAt(delta: number): Interval {
    return this.narrowed((curve) => curve.epsilonIntervalAt(delta));
  }

  deltaIntervalAt(epsilon: number): Interval {
    return this.narrowed((curve) => curve.deltaIntervalAt(epsilon));
  }

  private narrowed(ask: (curve: PrivacyCurve) => Interval): Interval {
    let interval = ask(this.first);
    for (const layer of this.later) {
      if (interval.upper - interval.lower <= WIDE * interval.upper) break;
      const curve = this.open(layer);
      if (!curve) continue;
      interval = narrowedBy(interval, ask(curve));
    }
    return interval;
  }

  private open(layer: Accountant): PrivacyCurve | undefined {
    if (!this.opened.has(layer)) {
      let curve: PrivacyCurve | undefined;
      try {
        curve = layer.account(this.event);
      } catch (error) {
        if (!(error instanceof UnsupportedEventError)) throw error;
      }
      this.opened.set(layer, curve);
    }
    return this.opened.get(layer);
  }
}
