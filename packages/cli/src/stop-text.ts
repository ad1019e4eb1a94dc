// Ending an answer at a text: what may be its beginning is held back until it is known not to be.

/** Lets text through up to `stop`; with no stop, all of it. */
export class StopText {
  /** The stop has come; nothing more is let through. */
  ended = false;
  private held = "";

  constructor(private readonly stop: string | undefined) {}

  /** What can be shown of the text so far. */
  push(piece: string): string {
    if (!this.stop || this.ended) return this.ended ? "" : piece;
    const text = this.held + piece;
    const at = text.indexOf(this.stop);
    this.ended = at >= 0;
    let kept = this.ended ? 0 : Math.min(text.length, this.stop.length - 1);
    while (kept > 0 && !this.stop.startsWith(text.slice(text.length - kept))) kept--;
    this.held = text.slice(text.length - kept);
    return text.slice(0, this.ended ? at : text.length - kept);
  }

  /** What was held back, when nothing more comes. */
  end(): string {
    const { held } = this;
    this.held = "";
    return this.ended ? "" : held;
  }
}
