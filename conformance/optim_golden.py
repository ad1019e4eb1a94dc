"""Reference values for @qlora/paged-optim from PyTorch and transformers.

  python conformance/optim_golden.py packages/paged-optim/test/golden/optim.json

Each case: 20 steps of a rule on n = 300 weights, gradients remade every step; kept are weights and states after steps 1 and 20,
base64 of f32. Weights and gradients come from an integer formula (`noise`), so that the test makes the same ones itself.
Lion and AdEMAMix are not in PyTorch: they are written out here on f32 tensors from their papers' algorithms
(Chen et al. 2023, algorithm 2; Pagliardini et al. 2024, algorithm 1), decoupled decay applied before the update.
"""

import base64
import json
import math
import sys

import torch
import transformers

N, STEPS = 300, 20


def noise(stream: int, n: int = N) -> torch.Tensor:
    """n numbers in [-0.5, 0.5), exact in f32: the upper 24 bits of a multiplicative hash."""
    values = [((i * 2654435761 + stream * 2246822519 + 374761393) & 0xFFFFFFFF) for i in range(n)]
    values = [((v ^ (v >> 15)) * 2246822519) & 0xFFFFFFFF for v in values]
    return torch.tensor([(v >> 8) / 2**24 - 0.5 for v in values], dtype=torch.float32)


def weights() -> torch.Tensor:
    return noise(0)


def gradient(step: int) -> torch.Tensor:
    """Of step 1, 2, ...: their size varies over elements by 10^4, and every seventh step is small."""
    size = torch.tensor([10.0 ** -(i % 5) for i in range(N)], dtype=torch.float32)
    return noise(step) * size * (0.01 if step % 7 == 0 else 1.0)


def pack(x: torch.Tensor) -> str:
    return base64.b64encode(x.detach().to(torch.float32).numpy().astype("<f4").tobytes()).decode()


def run(name, options, make, states, clip=None, schedule=None):
    p = torch.nn.Parameter(weights())
    optimiser = make([p])
    snapshots, norms = {}, []
    base = optimiser.param_groups[0]["lr"] if hasattr(optimiser, "param_groups") else None
    for step in range(1, STEPS + 1):
        p.grad = gradient(step)
        if schedule:
            optimiser.param_groups[0]["lr"] = base * schedule(step - 1)
        if clip:
            norms.append(float(torch.nn.utils.clip_grad_norm_([p], clip)))
        optimiser.step()
        if step in (1, STEPS):
            kept = {"weights": pack(p)}
            kept.update({ours: pack(value) for ours, value in states(optimiser, p).items()})
            snapshots[str(step)] = kept
    case = {"name": name, "options": options, "snapshots": snapshots}
    if clip:
        case.update(clip=clip, norms=norms)
    if schedule:
        case["factors"] = [schedule(i) for i in range(STEPS)]
    return case


def adam_states(optimiser, p):
    state = optimiser.state[p]
    return {"m": state["exp_avg"], "v": state["exp_avg_sq"]}


class Lion:
    def __init__(self, params, lr, betas, weight_decay):
        (self.p,), self.lr, self.betas, self.decay = params, lr, betas, weight_decay
        self.m = torch.zeros_like(self.p)

    @torch.no_grad()
    def step(self):
        b1, b2 = self.betas
        g = self.p.grad
        self.p.mul_(1 - self.lr * self.decay)
        self.p.add_((b1 * self.m + (1 - b1) * g).sign(), alpha=-self.lr)
        self.m.mul_(b2).add_(g, alpha=1 - b2)


class AdEMAMix:
    def __init__(self, params, lr, betas, alpha, warmup, eps, weight_decay):
        (self.p,), self.lr, self.betas, self.alpha, self.warmup, self.eps = params, lr, betas, alpha, warmup, eps
        self.decay, self.t = weight_decay, 0
        self.m1, self.m2, self.v = (torch.zeros_like(self.p) for _ in range(3))

    @torch.no_grad()
    def step(self):
        self.t += 1
        b1, b2, b3 = self.betas
        alpha = self.alpha
        if self.warmup:
            done = min(self.t / self.warmup, 1)
            alpha = done * self.alpha
            log1, log3 = math.log(b1), math.log(b3)
            b3 = min(math.exp(log1 * log3 / ((1 - done) * log3 + done * log1)), b3)
        g = self.p.grad
        self.m1.mul_(b1).add_(g, alpha=1 - b1)
        self.m2.mul_(b3).add_(g, alpha=1 - b3)
        self.v.mul_(b2).addcmul_(g, g, value=1 - b2)
        denominator = (self.v.sqrt() / math.sqrt(1 - b2**self.t)).add_(self.eps)
        update = (self.m1 / (1 - b1**self.t) + alpha * self.m2) / denominator
        self.p.mul_(1 - self.lr * self.decay).add_(update, alpha=-self.lr)


def cases():
    adamw = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)
    ours = lambda o: {"weightDecay" if k == "weight_decay" else k: v for k, v in o.items()}
    yield run("AdamW", ours(adamw), lambda p: torch.optim.AdamW(p, **adamw), adam_states)
    other = dict(lr=0.03, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.0)
    yield run("AdamW", ours(other), lambda p: torch.optim.AdamW(p, **other), adam_states)
    yield run("AdamW", ours(adamw), lambda p: torch.optim.AdamW(p, **adamw), adam_states, clip=0.5,
              schedule=lambda step: min(1, step / 4) * 0.5 * (1 + math.cos(math.pi * max(0, step - 4) / 16)))
    yield run("Adam", ours(adamw), lambda p: torch.optim.Adam(p, **adamw), adam_states)
    sgd = dict(lr=0.01, momentum=0.9, weight_decay=0.1, nesterov=False)
    momentum = lambda o, p: {"momentum": o.state[p]["momentum_buffer"]}
    yield run("Sgd", ours(sgd), lambda p: torch.optim.SGD(p, **sgd), momentum)
    nesterov = dict(sgd, nesterov=True, weight_decay=0.0)
    yield run("Sgd", ours(nesterov), lambda p: torch.optim.SGD(p, **nesterov), momentum)
    lion = dict(lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    yield run("Lion", ours(lion), lambda p: Lion(p, **lion), lambda o, p: {"m": o.m})
    for warmup in (0, 15):
        mix = dict(lr=1e-3, betas=(0.9, 0.999, 0.9999), alpha=5.0, warmup=warmup, eps=1e-8, weight_decay=0.1)
        yield run("AdEMAMix", ours(mix), lambda p: AdEMAMix(p, **mix), lambda o, p: {"m1": o.m1, "m2": o.m2, "v": o.v})


def schedules():
    def curve(make, steps=21):  # after the total transformers' cosine turns up again; ours stays
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = make(optimiser)
        factors = []
        for _ in range(steps):
            factors.append(scheduler.get_last_lr()[0])
            optimiser.step()
            scheduler.step()
        return factors

    t = transformers
    yield "constant", {"warmup": 5}, curve(lambda o: t.get_constant_schedule_with_warmup(o, 5))
    yield "linear", {"warmup": 4, "total": 20}, curve(lambda o: t.get_linear_schedule_with_warmup(o, 4, 20))
    yield "cosine", {"warmup": 4, "total": 20}, curve(lambda o: t.get_cosine_schedule_with_warmup(o, 4, 20))
    yield "cosine", {"warmup": 0, "total": 20, "min": 0.1}, curve(
        lambda o: t.get_cosine_with_min_lr_schedule_with_warmup(o, 0, 20, min_lr_rate=0.1))
    for shape in ("linear", "cosine", "1-sqrt"):
        yield "wsd", {"warmup": 3, "total": 20, "decay": 6, "shape": shape.removeprefix("1-")}, curve(
            lambda o: t.get_wsd_schedule(o, 3, 6, num_training_steps=20, decay_type=shape))


torch.manual_seed(0)
result = {
    "source": f"torch {torch.__version__}, transformers {transformers.__version__}",
    "n": N,
    "steps": STEPS,
    "cases": list(cases()),
    "schedules": [{"name": name, "options": options, "factors": factors} for name, options, factors in schedules()],
}
with open(sys.argv[1], "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
