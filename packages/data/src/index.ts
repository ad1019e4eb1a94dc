// @qlora/data
export {};
