// @qlora/eval: perplexity, multiple choice, judged comparison and Elo. See README.md.
export {
  type BradleyTerryOptions,
  type BradleyTerryResult,
  bradleyTerry,
  bradleyTerryIntervals,
} from "./bradley-terry.js";
// Multiple choice
export { accuracies, type ChoiceOptions, type ChoiceResult, evaluateChoices } from "./choice/evaluate.js";
export { buildPrompt } from "./choice/mmlu-prompt.js";
export { type Question, readQuestions } from "./choice/question.js";
export { type ChoiceScores, letterScores, likelihoodScores, type Normalise, type Scorer } from "./choice/scorer.js";
export { formatChoiceTable } from "./choice/table.js";
export { type Document, readDocuments } from "./documents.js";
export { type EloCurve, type EloOptions, type EloRating, type EloResult, elo, eloCurve } from "./elo.js";
export { EvaluationError, type EvaluationErrorCode } from "./errors.js";
// Judged comparison
export {
  type Answerer,
  type AnswerRecord,
  type AnswersOptions,
  type AnswersResult,
  collectAnswers,
  endpointAnswerer,
  type JudgeQuestion,
  readJudgeQuestions,
} from "./judge/answers.js";
export { type CompareOptions, type CompareResult, compareAnswers, type JudgmentRecord } from "./judge/compare.js";
export { chat, type Endpoint, type Message, type Reply, type Sampling, type Usage } from "./judge/endpoint.js";
export { type JudgeMode, judgeMessages } from "./judge/prompts.js";
export { readAnswers } from "./judge/read-answers.js";
export { parseScores, parseVerdict } from "./judge/verdict.js";
export { type Cost, costOf, type FailedRequest, formatCost } from "./judge/work.js";
export {
  formatPerplexity,
  type PerplexityOptions,
  type PerplexityResult,
  perplexity,
  type TokenScorer,
  type Window,
  windows,
} from "./perplexity.js";
export { createRandom, type Random } from "./random.js";

// Ratings: the paper's Tables 1, 6 and 7
export { type Claim, eloClaims, relativeClaims } from "./ratings/claims.js";
export {
  type EloReport,
  type EloReportOptions,
  type EloReportRow,
  eloFromRatings,
  eloReport,
} from "./ratings/elo-report.js";
export { type Game, type Games, games, gamesOf } from "./ratings/games.js";
export { type OrderBias, orderBias } from "./ratings/order-bias.js";
export { PAPER_ELO, PAPER_ELO_SAMPLE, PAPER_TABLE_6, type PaperRelative } from "./ratings/paper.js";
export {
  type PairwiseFile,
  type Ratings,
  type ReadRatingsOptions,
  type RelativeFile,
  readRatings,
} from "./ratings/read.js";
export {
  type RelativeOptions,
  type RelativeResult,
  type RelativeScore,
  relativeScores,
} from "./ratings/relative.js";
export { type RelativeReport, type RelativeReportRow, relativeFromRatings } from "./ratings/relative-report.js";
export { type SamplingStudy, samplingStudy } from "./ratings/sampling.js";
export { formatEloTable, formatRelativeTable } from "./ratings/tables.js";

// Report: the whole page of a set of results, and the parts to make another of
export { type DotPlotOptions, type DotRow, dotPlot } from "./report/dot-plot.js";
export { type ReportResults, renderPage, renderReport } from "./report/html.js";
export { type Cell, htmlTable } from "./report/html-table.js";
export { type LinePlotOptions, linePlot, type Series } from "./report/line-plot.js";
export { eloSection, relativeSection } from "./report/rating-sections.js";
export { escapeText } from "./report/svg.js";

// Statistics
export { fleissKappa, kendallTau, ranks, spearman } from "./statistics/agreement.js";
export { type BootstrapOptions, bootstrap, bootstrapMean, type Interval } from "./statistics/bootstrap.js";
export { mean, quantile, standardDeviation } from "./statistics/describe.js";
export { normalCdf, normalQuantile, studentCdf, studentQuantile } from "./statistics/distributions.js";
export { type Equivalence, pairedTost } from "./statistics/equivalence.js";
export { type MeanInterval, meanInterval, type Proportion, wilson } from "./statistics/intervals.js";
