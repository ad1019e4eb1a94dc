// @qlora/trainer
export {};
