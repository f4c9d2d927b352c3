// The box of an element as a hook: it follows the element's size.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { boxOf, type MARGIN } from "../../report/charts/scales.js";

export function useBox(margin: Partial<typeof MARGIN> = {}) {
  const ref = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 420, height: 260 });
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      if (width > 0 && height > 0) setSize({ width: Math.round(width), height: Math.round(height) });
    });
    if (ref.current) observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return { ref, box: boxOf(size, margin) };
}
