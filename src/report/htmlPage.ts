// One self-contained page: no request leaves it, it is legible in light and dark, and prints.
import type { ComponentChild } from "preact";
import { h } from "preact";
import { renderToString } from "preact-render-to-string";

/** The whole document; elements only, so that whatever stands in a text is escaped. footer: who made it of what. */
export function htmlPage(page: {
  readonly title: string;
  readonly content: ComponentChild;
  readonly footer: string;
}): string {
  const head = renderToString(h("title", null, page.title));
  const body = renderToString(
    h("body", null, [
      h("main", null, [h("h1", null, page.title), page.content]),
      h("footer", null, h("p", null, page.footer)),
    ]),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
${head}
<style>${STYLE}</style>
</head>
${body}
</html>
`;
}

const STYLE = `
:root { --ink: #1c2024; --muted: #5a636d; --line: #d8dde2; --paper: #ffffff; --card: #f6f8fa; --accent: #1f5fb4; --second: #b4500f;
  --third: #2f6f3f; --good: #17703c; --bad: #b3261e; --doubt: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --muted: #9aa5b1; --line: #363d45; --paper: #14171a; --card: #1d2227;
  --accent: #7ab3ff; --second: #f0a05a; --third: #7fd3a0; --good: #5fce8b; --bad: #ff8a80; --doubt: #f0b849; } }
@media print { :root { --ink: #000; --muted: #444; --line: #bbb; --paper: #fff; --card: #fff; --accent: #1f5fb4; --second: #b4500f;
  --third: #2f6f3f; --good: #17703c; --bad: #b3261e; --doubt: #8a5a00; }
  .banner, figure, tr, li { break-inside: avoid; } h2, h3 { break-after: avoid; } body { font-size: 10pt; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main, footer { max-width: 52rem; margin: 0 auto; padding: 0 1.25rem; }
h1, h2 { font-size: 1.05rem; font-weight: 600; color: var(--muted); margin: 2rem 0 1rem; overflow-wrap: anywhere; }
h3 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
p { margin: .6rem 0; overflow-wrap: anywhere; }
.banner { display: flex; gap: 1rem; align-items: center; padding: 1.1rem 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-left: .4rem solid var(--tone); border-radius: .4rem; }
.banner p { margin: 0; color: var(--muted); }
.banner .verdict { margin: 0; font-size: 1.6rem; font-weight: 700; line-height: 1.25; color: var(--tone); }
.banner .summary { color: var(--ink); }
.sign { font-size: 2rem; font-weight: 700; color: var(--tone); width: 2rem; text-align: center; flex: none; }
.good { --tone: var(--good); } .bad { --tone: var(--bad); } .doubt { --tone: var(--doubt); } .plain { --tone: var(--muted); }
table { width: 100%; border-collapse: collapse; font-size: .94rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.facts th { width: 11rem; overflow-wrap: normal; font-weight: 400; color: var(--muted); }
.findings { margin: 0; padding: 0; list-style: none; }
.findings li { margin-top: .5rem; padding: .35rem 0 .35rem .75rem; border-left: 3px solid var(--tone); overflow-wrap: anywhere; }
.findings strong { color: var(--tone); }
.wide { overflow-x: auto; }
td code { color: var(--muted); }
code { font: .88em/1.5 ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem 1rem; white-space: pre-wrap; }
figure { margin: 0; } figcaption { color: var(--muted); font-size: .88rem; }
svg { display: block; width: 100%; min-width: 32rem; height: auto; }
svg text { fill: var(--muted); font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; }
svg .grid { stroke: var(--line); }
svg .line { fill: none; stroke: var(--series); stroke-width: 2.25; stroke-linejoin: round; }
svg .dot, svg text.end { fill: var(--series); } svg text.end { font-weight: 600; }
svg .gain { fill: var(--series); fill-opacity: .1; }
svg .of-0 { --series: var(--accent); } svg .of-1 { --series: var(--second); } svg .of-2 { --series: var(--third); }
svg .limit line { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 6 4; } svg .limit text { fill: var(--bad); }
@media (max-width: 32rem) { .facts th { width: 7rem; } }
footer { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: .5rem; padding-bottom: 2rem; color: var(--muted); font-size: .88rem; }
`;
