// One self-contained page: no request leaves it, it is legible in light and dark, and prints. Everything put in is escaped here.

/** HTML that is safe to put into a page: made by the functions below only. */
export interface Html {
  readonly html: string;
}

/** Text of unknown origin, as it is; nothing in it can be markup. Control characters show as what they are. */
export function text(value: string | number): Html {
  const escaped = String(value)
    .replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
  return { html: escaped };
}

export function code(value: string): Html {
  return { html: `<code>${text(value).html}</code>` };
}

/** A heading with what stands below it. */
export function section(title: string, ...content: readonly Html[]): Html {
  return { html: `<section>\n<h2>${text(title).html}</h2>\n${joined(content)}\n</section>` };
}

export function paragraph(...content: readonly Html[]): Html {
  return { html: `<p>${content.map(({ html }) => html).join("")}</p>` };
}

/** Lines to be copied into a terminal. */
export function commands(lines: string): Html {
  return {
    html: `<pre><code>${lines
      .split("\n")
      .map((line) => text(line).html)
      .join("\n")}</code></pre>`,
  };
}

/** Rows of label and content. */
export function facts(rows: readonly (readonly [label: string, ...content: Html[]])[]): Html {
  const row = ([label, ...content]: (typeof rows)[number]): string =>
    `<tr><th scope="row">${text(label).html}</th><td>${content.map(({ html }) => html).join("")}</td></tr>`;
  return { html: `<table class="facts">\n${rows.map(row).join("\n")}\n</table>` };
}

/** A table with a head; rows have a class each, for their colour. */
export function table(
  head: readonly string[],
  rows: readonly { readonly tone: Tone; readonly cells: readonly Html[] }[],
): Html {
  const cells = rows.map(
    ({ tone, cells }) => `<tr class="${tone}">${cells.map(({ html }) => `<td>${html}</td>`).join("")}</tr>`,
  );
  return {
    html: `<div class="wide"><table>\n<thead><tr>${head.map((each) => `<th scope="col">${text(each).html}</th>`).join("")}</tr></thead>\n<tbody>\n${cells.join("\n")}\n</tbody>\n</table></div>`,
  };
}

export type Tone = "good" | "bad" | "doubt" | "plain";
const SIGNS: { readonly [tone in Tone]: string } = { good: "✓", bad: "✗", doubt: "?", plain: "·" };

/** The answer, first and large. */
export function banner(tone: Tone, answer: string, below: string): Html {
  return {
    html: `<div class="banner ${tone}" role="status"><span class="sign" aria-hidden="true">${SIGNS[tone]}</span><div><p class="answer">${text(answer).html}</p><p>${text(below).html}</p></div></div>`,
  };
}

/** Paragraphs of Markdown with **bold**, `code` and backslash escapes only, as `statement` writes them. */
export function markdown(source: string): Html {
  const inline = (line: string): string =>
    line
      .split(/(\*\*(?:[^*\\]|\\.)+\*\*|`[^`]+`)/)
      .map((part) => {
        if (part.startsWith("**")) return `<strong>${inline(part.slice(2, -2))}</strong>`;
        if (part.startsWith("`")) return code(part.slice(1, -1)).html;
        return text(part.replaceAll(/\\([\\`*_<>&[\]])/g, "$1")).html;
      })
      .join("");
  const paragraphs = source.trim().split(/\n{2,}/);
  return { html: paragraphs.map((each) => `<p>${inline(each.replaceAll("\n", " "))}</p>`).join("\n") };
}

export function joined(parts: readonly Html[]): string {
  return parts.map(({ html }) => html).join("\n");
}

/** The whole document. footer: who made it of what. */
export function htmlPage(page: {
  readonly title: string;
  readonly content: readonly Html[];
  readonly footer: string;
}): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>${text(page.title).html}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${text(page.title).html}</h1>
${joined(page.content)}
</main>
<footer><p>${text(page.footer).html}</p></footer>
</body>
</html>
`;
}

const STYLE = `
:root { --ink: #1c2024; --soft: #5a636d; --line: #d8dde2; --paper: #ffffff; --card: #f6f8fa; --accent: #1f5fb4;
  --good: #17703c; --bad: #b3261e; --doubt: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5b1; --line: #363d45; --paper: #14171a; --card: #1d2227;
  --accent: #7ab3ff; --good: #5fce8b; --bad: #ff8a80; --doubt: #f0b849; } }
@media print { :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --card: #fff; --accent: #1f5fb4; --good: #17703c;
  --bad: #b3261e; --doubt: #8a5a00; } section, .banner, figure, tr { break-inside: avoid; } body { font-size: 10pt; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main, footer { max-width: 52rem; margin: 0 auto; padding: 0 1.25rem; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--soft); margin: 2rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
p { margin: .6rem 0; overflow-wrap: anywhere; }
.banner { display: flex; gap: 1rem; align-items: center; padding: 1.1rem 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-left: .4rem solid var(--tone); border-radius: .4rem; }
.banner p { margin: 0; color: var(--soft); }
.banner .answer { font-size: 1.6rem; font-weight: 700; line-height: 1.25; color: var(--tone); }
.sign { font-size: 2rem; font-weight: 700; color: var(--tone); width: 2rem; text-align: center; flex: none; }
.good { --tone: var(--good); } .bad { --tone: var(--bad); } .doubt { --tone: var(--doubt); } .plain { --tone: var(--soft); }
table { width: 100%; border-collapse: collapse; font-size: .94rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.facts th { width: 11rem; overflow-wrap: normal; font-weight: 400; color: var(--soft); }
thead th { font-weight: 600; color: var(--soft); }
tbody td:first-child { color: var(--tone, inherit); }
.wide, figure { overflow-x: auto; }
.wide th { white-space: nowrap; } .wide td { min-width: 9rem; } .wide td:nth-child(-n+3) { min-width: 0; white-space: nowrap; }
code { font: .88em/1.5 ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem 1rem; white-space: pre-wrap; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: .88rem; }
svg { display: block; width: 100%; min-width: 32rem; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .curve { fill: none; stroke: var(--accent); stroke-width: 2.25; stroke-linejoin: round; }
svg .area { fill: var(--accent); opacity: .1; } svg .dot { fill: var(--accent); }
svg .limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 6 4; } svg text.limit-label { fill: var(--bad); stroke: none; }
svg text.value { fill: var(--accent); font-weight: 600; }
@media (max-width: 32rem) { .facts th { width: 7rem; } }
footer { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: .5rem; padding-bottom: 2rem; color: var(--soft); font-size: .88rem; }
`;
