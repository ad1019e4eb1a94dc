// What is wrong with a model's files, in one line: which file, which tensor, what was expected, what to do.

export type ModelErrorCode =
  | "CONFIG_MISSING"
  | "CONFIG_JSON"
  | "FIELD_MISSING"
  | "FIELD_RANGE"
  | "ARCH_UNSUPPORTED"
  | "TENSOR_MISSING"
  | "SHAPE_DISAGREES"
  | "DTYPE_UNSUPPORTED"
  | "PRECISION_UNSUPPORTED"
  | "DEVICE_UNAVAILABLE"
  | "NOT_MAPPABLE"
  | "QUANT_STATE"
  | "CONTEXT_EXCEEDED"
  | "OUTPUT_EXISTS"
  | "NOT_WRITABLE";

/** A model that cannot be used; `code` is stable, `message` names file, tensor or field and the numbers. */
export class ModelError extends Error {
  override name = "ModelError";
  constructor(
    readonly code: ModelErrorCode,
    message: string,
  ) {
    super(message);
  }
}
