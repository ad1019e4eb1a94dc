// Runs one bench on one device and prints its rows as JSON: node bench.mjs <bench> <device>.

import { benches } from "gpu-check:benches";
import process from "node:process";

const [name, device] = process.argv.slice(2);
const rows = await benches[name](device === "cuda-emu" ? device : Number(device));
process.stdout.write(`${JSON.stringify(rows)}\n`);
