// @qlora/eval
export {};
