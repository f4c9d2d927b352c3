// A drawn chart as a file that stands by itself: its style inside, on white whatever reads it.
import { type ComponentChild, Fragment, h } from "preact";
import { renderToString } from "preact-render-to-string";

/** A drawn SVG as a file, moved down below its title. */
export function svgFile(drawn: ComponentChild, title: string, style: string): string {
  const svg = renderToString(h(Fragment, null, drawn));
  const [, start = "", width = "0", height = "0"] =
    /^(<svg [^>]*?) width="(\d+)" height="(\d+)" viewBox="[^"]*">/.exec(svg) ?? [];
  const content = svg.slice(svg.indexOf(">") + 1);
  const above = 34;
  const all = Number(height) + above;
  const size = `width="${width}" height="${all}" viewBox="0 ${-above} ${width} ${all}"`;
  const ground = renderToString(
    <>
      <rect y={-above} width={width} height={all} fill="#ffffff" />
      <text class="title" x="12" y="-10">
        {title}
      </text>
    </>,
  );
  return `${start} ${size}>\n<style>${style}</style>\n${ground}\n${content}\n`;
}
