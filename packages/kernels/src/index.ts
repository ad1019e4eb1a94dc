// @qlora/kernels
export {};
