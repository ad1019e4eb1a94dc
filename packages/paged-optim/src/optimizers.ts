// The optimisers.
import { Optimizer, type PlacementOptions } from "./optimizer.js";
import type { AdamOptions, AdEMAMixOptions, LionOptions, SgdOptions } from "./rules.js";
import * as rules from "./rules.js";
import type { Group, Parameter } from "./types.js";

type Parameters<O> = readonly Parameter[] | readonly Group<O>[];

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019), as torch.optim.AdamW. `lr` 1e-3 and `weightDecay` 0 by default. */
export class AdamW extends Optimizer<AdamOptions> {
  constructor(parameters: Parameters<AdamOptions>, options: AdamOptions & PlacementOptions = {}) {
    super(rules.adamw, parameters, options);
  }
}

/** Adam (Kingma & Ba 2015), weight decay added to the gradient, as torch.optim.Adam. */
export class Adam extends Optimizer<AdamOptions> {
  constructor(parameters: Parameters<AdamOptions>, options: AdamOptions & PlacementOptions = {}) {
    super(rules.adam, parameters, options);
  }
}

/** Lion (Chen et al. 2023), one state, `lr` 1e-4 by default. */
export class Lion extends Optimizer<LionOptions> {
  constructor(parameters: Parameters<LionOptions>, options: LionOptions & PlacementOptions = {}) {
    super(rules.lion, parameters, options);
  }
}

/** AdEMAMix (Pagliardini et al. 2024): a fast and a slow average of the gradient, three states. */
export class AdEMAMix extends Optimizer<AdEMAMixOptions> {
  constructor(parameters: Parameters<AdEMAMixOptions>, options: AdEMAMixOptions & PlacementOptions = {}) {
    super(rules.ademamix, parameters, options);
  }
}

/** SGD with momentum, one state, as torch.optim.SGD with dampening 0. */
export class Sgd extends Optimizer<SgdOptions> {
  constructor(parameters: Parameters<SgdOptions>, options: SgdOptions & PlacementOptions = {}) {
    super(rules.sgd, parameters, options);
  }
}
