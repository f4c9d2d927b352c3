// The little Markdown of privacy statements: paragraphs, **bold**, `code` and escaped characters. Text only, never HTML.
import type { ComponentChildren } from "preact";

export function Statement({ text }: { text: string }) {
  return (
    <>
      {text
        .trim()
        .split(/\n{2,}/)
        .map((paragraph) => (
          <p key={paragraph}>{inline(paragraph)}</p>
        ))}
    </>
  );
}

function inline(text: string): ComponentChildren[] {
  return text.split(/(\*\*.+?\*\*|`[^`]+`)/).map((part, i) => {
    if (part.startsWith("**")) return <strong key={i}>{plain(part.slice(2, -2))}</strong>;
    if (part.startsWith("`")) return <code key={i}>{part.slice(1, -1)}</code>;
    return plain(part);
  });
}

const plain = (text: string): string => text.replaceAll(/\\([\\`*_<>&[\]])/g, "$1");
