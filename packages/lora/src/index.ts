// @qlora/lora
export {};
