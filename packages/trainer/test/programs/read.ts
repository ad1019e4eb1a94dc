// Reads one bad file as the catalogue does: `read.mjs FORMAT DIR` prints the error's code, its message, the seconds of processor time
// that reading took, and the most memory the process has had, as JSON.
import { peakMemory } from "../../src/peak.js";
import { formats } from "../catalogue/formats.js";

const [name, dir] = process.argv.slice(2) as [string, string];
const before = process.cpuUsage();
let [code, message] = ["none", ""];
try {
  formats.find((format) => format.name === name)!.read(dir);
} catch (error) {
  code = (error as { code?: string }).code ?? (error as Error).name;
  message = (error as Error).message;
}
const { user, system } = process.cpuUsage(before);
const bytes = peakMemory();
process.stdout.write(JSON.stringify({ code, message, seconds: (user + system) / 1e6, bytes }));
