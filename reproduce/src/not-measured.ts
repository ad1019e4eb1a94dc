// Claims of the paper that this repository cannot measure, so that the report does not leave them out.
import type { Claim } from "./experiment.js";

const weights = "needs the pretrained weights of LLaMA, and a GPU to run them in a reasonable time";

export const notMeasured: Claim[] = [
  claim(
    "GLUE and Super-NaturalInstructions of RoBERTa and T5",
    "Table 3",
    "encoders and T5 are no decoders of this family",
  ),
  claim("5-shot MMLU of LLaMA 7B to 65B by data type", "mean 53.0 / 52.2 / 53.1 (Table 4)", weights),
  claim("5-shot MMLU by fine-tuning data set", "Table 5", weights),
  claim(
    "Perplexity of OPT, BLOOM, LLaMA and Pythia, 125M to 13B, on Common Crawl",
    "Table 2",
    `${weights}; its order is measured on two small models`,
  ),
  claim("Guanaco 65B trains in 24 h on one 48 GB GPU, 33B in 12 h on 24 GB", "§1", "needs the GPU"),
  claim("Paged optimisers are as fast as regular ones at 65B, batch 16", "§3", "needs the GPU"),
  claim(
    "Elo by human raters, and on the OpenAssistant benchmark",
    "Table 7",
    "its ratings are not among the files measured here",
  ),
  claim("CrowS bias of Guanaco 65B", "43.5 (Table 8)", weights),
];

function claim(text: string, paper: string, why: string): Claim {
  return { claim: text, paper, ours: "–", how: "–", verdict: "not measurable here", note: why };
}
