// @qlora/paged-optim
export {};
