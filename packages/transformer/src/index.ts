// @qlora/transformer
export {};
