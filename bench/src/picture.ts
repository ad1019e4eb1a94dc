// What the pictures of the page share.
export const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Fills that can be told apart on white and on black; text on them is dark. */
export const colours = [
  "#7fb2e5",
  "#f2b56b",
  "#93cf96",
  "#e59393",
  "#c3a5e0",
  "#d9cc72",
  "#86d0cf",
  "#d9a5c2",
] as const;
