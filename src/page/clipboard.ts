// Copies a text for the reader and tells them so, or why not.
export async function copied(text: string, tell: (told: string) => void, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    tell(done);
  } catch {
    tell("the browser does not let the page copy: select the text and copy it");
  }
}
