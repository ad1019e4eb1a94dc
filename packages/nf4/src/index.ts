// @qlora/nf4
export {};
