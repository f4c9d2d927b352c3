// A chart in its frame: title, what it says in one line, and the buttons that save it.
import type { ComponentChildren, Ref } from "preact";
import { useRef, useState } from "preact/hooks";
import { download, pngOf, svgText } from "./exportChart.js";

interface FigureProps {
  /** Of the files. */
  readonly name: string;
  readonly title: string;
  /** What the chart shows, in a sentence. */
  readonly says: ComponentChildren;
  readonly plotRef: Ref<HTMLDivElement>;
  readonly children: ComponentChildren;
  readonly tools?: ComponentChildren;
}

export function Figure({ name, title, says, plotRef, children, tools }: FigureProps) {
  const figure = useRef<HTMLElement>(null);
  const [failed, setFailed] = useState("");
  const save = async (kind: "SVG" | "PNG"): Promise<void> => {
    try {
      const text = svgText(figure.current!.querySelector("svg")!, title);
      if (kind === "SVG") download(`${name}.svg`, text, "image/svg+xml");
      else download(`${name}.png`, await pngOf(text));
      setFailed("");
    } catch (error) {
      setFailed(`not saved: ${(error as Error).message}`);
    }
  };
  return (
    <figure class="chart" id={name} ref={figure} aria-labelledby={`${name}-title`}>
      <figcaption>
        <h2 id={`${name}-title`}>{title}</h2>
        <span class="tools">
          {tools}
          {(["SVG", "PNG"] as const).map((kind) => (
            <button
              key={kind}
              type="button"
              class="quiet"
              aria-label={`${title}: save as ${kind}`}
              onClick={() => save(kind)}
            >
              {kind}
            </button>
          ))}
        </span>
        <p class="says">{failed || says}</p>
      </figcaption>
      <div class="plot" ref={plotRef}>
        {children}
      </div>
    </figure>
  );
}
