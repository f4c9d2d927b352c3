// Builds src/page into dist/page: plain files that any static host serves from any folder.
import { defineConfig } from "vite";

export default defineConfig({
  root: "src/page",
  base: "./",
  logLevel: "warn",
  build: {
    outDir: "../../dist/page",
    emptyOutDir: true,
    target: "es2023",
    // The polyfill would fetch what the browser loads by itself, which the page's policy forbids.
    modulePreload: { polyfill: false },
    // Fonts, icons and workers stay files: the policy allows no data: or inline code.
    assetsInlineLimit: 0,
    rolldownOptions: { checks: { pluginTimings: false } },
    license: { fileName: "licenses.md" },
  },
  worker: { format: "es" },
});
