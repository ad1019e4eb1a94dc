// Goes on from the newest checkpoint in a folder and saves the next: `save.mjs DIR recipe|naive ELEMENTS` (see saves.ts).
import { type How, resume, save } from "../saves.js";

const [dir, how, elements] = process.argv.slice(2) as [string, How, string];
let step: number;
try {
  step = resume(dir, how, Number(elements));
} catch (error) {
  console.error((error as Error).message);
  process.exit(3);
}
save(dir, how, Number(elements), step + 1);
