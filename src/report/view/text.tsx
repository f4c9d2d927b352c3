// Text of unknown origin, and the little Markdown of privacy statements, as elements: never as HTML.
import type { ComponentChildren } from "preact";

/** Control characters as what they are: none of them may hide or turn around what stands beside it. */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Paragraphs of Markdown with **bold**, `code` and backslash escapes only, as `statement` writes them. */
export function Markdown({ text }: { readonly text: string }) {
  return (
    <>
      {text
        .trim()
        .split(/\n{2,}/)
        .map((paragraph, i) => (
          <p key={i}>{inline(paragraph.replaceAll("\n", " "))}</p>
        ))}
    </>
  );
}

function inline(text: string): ComponentChildren[] {
  return text.split(/(\*\*(?:[^*\\]|\\.)+\*\*|`[^`]+`)/).map((part, i) => {
    if (part.startsWith("**")) return <strong key={i}>{inline(part.slice(2, -2))}</strong>;
    if (part.startsWith("`")) return <code key={i}>{visible(part.slice(1, -1))}</code>;
    return visible(part.replaceAll(/\\([\\`*_<>&[\]])/g, "$1"));
  });
}
