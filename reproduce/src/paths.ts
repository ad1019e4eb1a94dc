// Where things lie: this repository, what is measured on, and the folder of larger data that not everybody has.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root, seen from src and from dist alike. */
export const root = fileURLToPath(new URL("../..", import.meta.url));
export const cache = join(root, ".cache/reproduce");
export const baseModel = join(root, "examples/quickstart/base-model");
export const trainData = join(root, "examples/quickstart/data/train.jsonl");
export const heldOutData = join(root, "examples/quickstart/data/held-out.jsonl");
const shared = process.env.QLORA_SHARED ?? join(root, "../shared");
export const stories = join(shared, "models/stories260K");
/** Every rating of the release, scores only. */
export const vicunaRatings = join(root, "packages/eval/test/golden/vicuna-ratings.json");
/** The release itself. */
export const vicunaRelease = join(shared, "data/vicuna");
