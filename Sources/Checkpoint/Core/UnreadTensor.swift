// Tensors that torch has and whose values are not read here: they are listed by what they are, beside the others of their
// file, and refused when their values are asked for.
// Source: torch/_utils.py (the functions that rebuild them), torch/_tensor.py (__reduce_ex__).

import ByteIO

/// What a tensor is whose values are not read.
public struct UnreadTensor: Sendable, Equatable {
  /// Kinds of tensors.
  public enum Kind: Sendable, Equatable {
    /// Values and where they stand: torch's name of the layout, as `sparse_coo`.
    case sparse(String)
    /// Integers with a scale and a zero point of torch's own.
    case quantized
    /// A shape and a type, and no values: of the device `meta`.
    case meta
    /// Numbers of a type that is not read: of fewer than eight bits, or complex halves.
    case otherType
    /// An object around other tensors, by the name of its class: nothing says what its values are.
    case wrapper(String)
    /// Few values, expanded to more than a file may make of them.
    case expanded
    /// Numbers that a device was to be given in another type than they are stored in.
    case converted
  }

  /// Which kind it is of.
  public let kind: Kind
  /// What its type is called: as safetensors does, or torch for what safetensors does not have.
  public let typeName: String
}

extension UnreadTensor.Kind {
  /// In a few words, behind "is".
  public var words: String {
    switch self {
    case .sparse(let layout): "sparse (\(layout))"
    case .quantized: "quantized by torch"
    case .meta: "of the device meta, without values"
    case .otherType: "of a type that is not read"
    case .wrapper(let name): "an object of \(displayName(name)) around other tensors"
    case .expanded: "few values that are expanded to more than the whole file"
    case .converted: "of a device, in another type than it is stored in"
    }
  }

  /// One word, as torch has it.
  public var name: String {
    switch self {
    case .sparse(let layout): layout
    case .quantized: "quantized"
    case .meta: "meta"
    case .otherType: "other-type"
    case .wrapper: "wrapper"
    case .expanded: "expanded"
    case .converted: "converted"
    }
  }

  /// What to do with PyTorch.
  var remedy: Remedy {
    switch self {
    case .sparse: "save its to_dense() with PyTorch"
    case .quantized: "save its dequantize(), or its int_repr(), with PyTorch"
    case .meta: "its values were never saved: save the file again once they are loaded"
    case .otherType: "save it in another type with PyTorch"
    case .wrapper: "save it as a plain tensor with PyTorch: its class may have full_tensor() or dequantize() for that"
    case .expanded: "save its contiguous() with PyTorch"
    case .converted: "save its cpu() with PyTorch"
    }
  }
}
