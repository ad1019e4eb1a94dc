// @qlora/cli
export {};
