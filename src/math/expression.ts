// Numbers written as expressions over named quantities ("1/N^1.1", "60*N/B"), by a mathjs instance without its doors:
// the parsed tree may hold only numbers, known names, + - * / ^ and the functions below. No assignment, no definitions,
// no strings, matrices, units, property access, loops: what is left always ends and reaches nothing outside itself.
import type { MathNode } from "mathjs";
import { plainNumber } from "./plainNumber.js";

/** Functions an expression may call, on real numbers; log is natural, log(x, b) has base b. */
export const EXPRESSION_FUNCTIONS = [
  "abs",
  "cbrt",
  "ceil",
  "cos",
  "exp",
  "expm1",
  "floor",
  "log",
  "log10",
  "log1p",
  "log2",
  "max",
  "min",
  "pow",
  "round",
  "sqrt",
] as const;

const OPERATORS: Record<string, true> = {
  add: true,
  subtract: true,
  multiply: true,
  divide: true,
  pow: true,
  unaryMinus: true,
  unaryPlus: true,
};

/** Nobody writes a longer one, and parsing stays instant. */
const LONGEST = 200;

/** An expression that cannot be used; the message is one line without the option's name. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  /** allowed: what it must be, without the verb; found: what it is. */
  constructor(
    readonly allowed: string,
    readonly found: string,
    message = `must be ${allowed}, got ${found}`,
  ) {
    super(message);
  }
}

/**
 * A set of named expressions that may refer to each other, in any order: each is evaluated once, when first needed.
 * `resolve(name)` gives what a name stands for: a number, another expression's text, or undefined where it has no meaning.
 */
export class Expressions {
  private readonly values = new Map<string, number>();
  private readonly open: string[] = [];

  private constructor(
    private readonly parse: (text: string) => MathNode,
    private readonly resolve: (name: string) => number | string | undefined,
    private readonly names: readonly string[],
  ) {}

  /** Loads mathjs (the numbers-only build, the parser and the whitelisted functions) on first use. */
  static async load(
    names: readonly string[],
    resolve: (name: string) => number | string | undefined,
  ): Promise<Expressions> {
    loading ??= loadParser();
    return new Expressions(await loading, resolve, names);
  }

  /** The value of text: a finite number. Throws ExpressionError with the reason in one line. */
  evaluate(text: string): number {
    const plain = plainNumber(text);
    if (plain !== undefined && Number.isFinite(plain)) return plain;
    const quoted = JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
    if (text.trim() === "") throw new ExpressionError("a number or an expression", "nothing");
    if (text.length > LONGEST)
      throw new ExpressionError(`at most ${LONGEST} characters long`, `${text.length}: ${quoted}`);
    // Anything but this alphabet is no arithmetic; quotes, brackets, comments and line ends never reach the parser.
    const stranger = /[^\w\s.+\-*/^(),]|[\n\r]/.exec(text);
    if (stranger) throw new ExpressionError("arithmetic", `${quoted} with ${JSON.stringify(stranger[0])}`);
    let node: MathNode;
    try {
      node = this.parse(text.replaceAll(/(?<![\w.])\d+(?:_\d+)+/g, (digits) => digits.replaceAll("_", "")));
    } catch (error) {
      throw new ExpressionError("arithmetic", `${quoted}: ${firstLine(error)}`);
    }
    const scope = new Map<string, number>();
    this.check(node, quoted, scope);
    let value: unknown;
    try {
      value = node.compile().evaluate(scope);
    } catch (error) {
      throw new ExpressionError(
        "an expression that has a value",
        `${quoted}: ${firstLine(error)}`,
        `must have a value, got ${quoted}: ${firstLine(error)}`,
      );
    }
    if (!(typeof value === "number" && Number.isFinite(value)))
      throw new ExpressionError("a finite real number", `${quoted} = ${String(value)}`);
    return value;
  }

  /** What a name stands for, evaluated; undefined where it has no meaning. */
  valueOf(name: string): number | undefined {
    const known = this.values.get(name);
    if (known !== undefined) return known;
    const meaning = this.resolve(name);
    if (meaning === undefined) return undefined;
    if (this.open.includes(name)) throw dependsOnItself([...this.open, name].join(" -> "));
    this.open.push(name);
    try {
      const value = typeof meaning === "number" ? meaning : this.evaluate(meaning);
      this.values.set(name, value);
      return value;
    } finally {
      this.open.pop();
    }
  }

  /** Throws unless every node of the tree is of an allowed kind; collects the values of its names. */
  private check(node: MathNode, quoted: string, scope: Map<string, number>): void {
    const refuse = (what: string): never => {
      throw new ExpressionError("arithmetic", `${quoted} with ${what}`);
    };
    const parts = node as unknown as Record<string, unknown>;
    switch (node.type) {
      case "ConstantNode":
        if (typeof parts.value !== "number") refuse(`"${String(parts.value)}"`);
        return;
      case "ParenthesisNode":
        this.check(parts.content as MathNode, quoted, scope);
        return;
      case "OperatorNode":
        if (!Object.hasOwn(OPERATORS, String(parts.fn))) refuse(`"${String(parts.op)}"`);
        if (parts.implicit) refuse("a missing operator: write * for a product");
        for (const each of parts.args as MathNode[]) this.check(each, quoted, scope);
        return;
      case "FunctionNode": {
        const name = (parts.fn as { type: string; name?: string }).name ?? "";
        if ((parts.fn as MathNode).type !== "SymbolNode" || !isFunction(name))
          refuse(`function "${name}" (known: ${EXPRESSION_FUNCTIONS.join(", ")})`);
        for (const each of parts.args as MathNode[]) this.check(each, quoted, scope);
        return;
      }
      case "SymbolNode": {
        const name = String(parts.name);
        const value = this.names.includes(name) ? this.valueOf(name) : undefined;
        if (value === undefined) {
          const known = this.names.filter((each) => this.resolve(each) !== undefined).join(", ");
          refuse(`the unknown name "${name}" (known here: ${known || "none"})`);
        }
        scope.set(name, value!);
        return;
      }
      default:
        refuse(node.type.replace(/Node$/, "").toLowerCase());
    }
  }
}

let loading: Promise<(text: string) => MathNode> | undefined;

/** Each part of mathjs by its name, so that a bundler leaves out the rest, which is half of it. */
async function loadParser(): Promise<(text: string) => MathNode> {
  const {
    create,
    parseDependencies,
    addDependencies,
    subtractDependencies,
    multiplyDependencies,
    divideDependencies,
    powDependencies,
    unaryMinusDependencies,
    unaryPlusDependencies,
    absDependencies,
    cbrtDependencies,
    ceilDependencies,
    cosDependencies,
    expDependencies,
    expm1Dependencies,
    floorDependencies,
    logDependencies,
    log10Dependencies,
    log1pDependencies,
    log2Dependencies,
    maxDependencies,
    minDependencies,
    roundDependencies,
    sqrtDependencies,
  } = await import("mathjs/number");
  const instance = create(
    {
      ...parseDependencies,
      ...addDependencies,
      ...subtractDependencies,
      ...multiplyDependencies,
      ...divideDependencies,
      ...powDependencies,
      ...unaryMinusDependencies,
      ...unaryPlusDependencies,
      ...absDependencies,
      ...cbrtDependencies,
      ...ceilDependencies,
      ...cosDependencies,
      ...expDependencies,
      ...expm1Dependencies,
      ...floorDependencies,
      ...logDependencies,
      ...log10Dependencies,
      ...log1pDependencies,
      ...log2Dependencies,
      ...maxDependencies,
      ...minDependencies,
      ...roundDependencies,
      ...sqrtDependencies,
    },
    {},
  );
  const parse = instance.parse as (text: string) => MathNode;
  return (text) => parse(text);
}

function isFunction(name: string): boolean {
  return (EXPRESSION_FUNCTIONS as readonly string[]).includes(name);
}

function firstLine(error: unknown): string {
  return String((error as Error).message).split("\n", 1)[0]!;
}

const dependsOnItself = (way: string): ExpressionError =>
  new ExpressionError(
    "an expression that does not depend on itself",
    way,
    `must not depend on itself: ${way}`,
  );
