// Charts as files: an SVG that stands by itself, and a PNG drawn from it; always on white, whatever the page's colours.

/** What of a style a chart uses; written into the copy, since a file has no style sheet. */
const STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linejoin",
  "stroke-opacity",
  "paint-order",
  "font-family",
  "font-size",
  "font-weight",
  "opacity",
  "display",
] as const;

/** The chart as a standalone SVG text with its title above. */
export function svgText(svg: SVGSVGElement, title: string): string {
  // In the document for a moment: only there styles have values. Light, since a white page awaits it.
  const stage = document.createElement("div");
  stage.className = "export-stage";
  const copy = svg.cloneNode(true) as SVGSVGElement;
  stage.append(copy);
  svg.closest("figure")!.append(stage);
  for (const element of [copy, ...copy.querySelectorAll("*")]) {
    const style = getComputedStyle(element);
    for (const name of STYLES) {
      const value = style.getPropertyValue(name);
      if (value !== "") element.setAttribute(name, value);
    }
    for (const name of ["class", "style", "tabindex"]) element.removeAttribute(name);
  }
  stage.remove();
  const [width, height] = [Number(svg.getAttribute("width")), Number(svg.getAttribute("height"))];
  const above = 30;
  copy.setAttribute("viewBox", `0 ${-above} ${width} ${height + above}`);
  copy.setAttribute("height", String(height + above));
  const make = (name: string, attributes: Record<string, string>, text = ""): SVGElement => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const family = "system-ui, sans-serif";
  copy.prepend(
    make("rect", {
      x: "0",
      y: String(-above),
      width: String(width),
      height: String(height + above),
      fill: "#fff",
    }),
    make(
      "text",
      { x: "10", y: "-10", "font-family": family, "font-size": "14", "font-weight": "600", fill: "#1b2430" },
      title,
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
}

/** The SVG as a PNG of three times as many pixels. */
export async function pngOf(svg: string): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 3 * image.width;
    canvas.height = 3 * image.height;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob(
        (blob) => (blob ? resolve(blob) : reject(new Error("no PNG could be made"))),
        "image/png",
      ),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Hands a file to the reader. */
export function download(name: string, content: Blob | string, type = "text/plain"): void {
  const address = URL.createObjectURL(typeof content === "string" ? new Blob([content], { type }) : content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The download has its own hold on the blob by the time that the next task runs.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
