// @qlora/safetensors
export {};
