import ByteIO
import Testing

@testable import Checkpoint

@Suite("Messages of the pickle machine") struct PickleMessageTests {
  /// A pickle, the code of its error, and what the error says.
  struct Case: Sendable, CustomTestStringConvertible {
    let pickle: String
    let code: CheckpointErrorCode
    let reason: String
    var testDescription: String { reason }

    init(_ pickle: String, _ code: CheckpointErrorCode, _ reason: String) {
      (self.pickle, self.code, self.reason) = (pickle, code, reason)
    }
  }

  @Test(
    "what was expected and what was found, in the terms of CPython and torch",
    arguments: [
      Case("\u{80}\u{6}.", .malformedPickle, "PROTO: expected a pickle protocol up to 5, found 6"),
      Case("0.", .malformedPickle, "unpickling stack underflow: expected a value on the stack, found none"),
      Case("t.", .malformedPickle, "could not find MARK on the stack"),
      Case("h\u{5}.", .malformedPickle, "memo value not found at index 5"),
      Case("Fx\n.", .malformedPickle, "FLOAT: expected a float in digits, found other characters"),
      Case("Sx\n.", .malformedPickle, "STRING: expected a str in quotes, found none"),
      Case("K\u{5}Na.", .malformedPickle, "items to append: expected a list or set, found the int 5"),
      Case("](NNu.", .unsupportedPickle, "items to set: expected a dict, found a list of 0"),
      Case("}(Nu.", .malformedPickle, "items to set: expected keys and values in pairs, found an odd number: 1"),
      Case(
        "NK\u{5}\u{93}.", .unsupportedPickle,
        "STACK_GLOBAL: expected two str of at most 1000 bytes, found (None, the int 5)"),
      Case("K\u{5})R.", .malformedPickle, "REDUCE: expected a class or function, found the int 5"),
      Case(
        "ctorch\nSize\nNR.", .unsupportedPickle, "REDUCE: expected a tuple of at most 64 arguments, found None"),
      Case(
        "ctorch\nSize\nK\u{5}\u{85}R.", .unsupportedPickle,
        "torch.Size: expected a tuple of integers, found the int 5"),
      Case(
        "ctorch._utils\n_rebuild_tensor_v2\n(NK\u{7}]tR.", .badTensor,
        "torch._utils._rebuild_tensor_v2: expected (storage, offset, size, stride, …), "
          + "found (None, the int 7, a list of 0)"),
      Case(
        "ctorch._utils\n_rebuild_parameter\n)R.", .unsupportedPickle,
        "torch._utils._rebuild_parameter: expected a tensor, found nothing"),
      Case(
        "ccollections\ndefaultdict\nK\u{5}\u{85}R.", .unsafeGlobal,
        "collections.defaultdict: expected a builtin class as its factory, found the int 5"),
      Case(
        "c_codecs\nencode\n}\u{85}R.", .unsupportedPickle,
        "_codecs.encode: expected a str and an encoding, found (a dict of 0)"),
      Case(
        "NQ.", .unsupportedPickle,
        "persistent id: expected ('storage', class, key, location, count), found None"),
      Case("K\u{7}Q.", .unsupportedPickle, "persistent id: expected a storage of the file, found 7"),
      Case("K\u{5}Nb.", .unsupportedPickle, "BUILD: expected an object with attributes, found the int 5"),
      Case(
        "cnumpy\ndtype\n)R.", .badTensor, "numpy.dtype: expected a str of a letter and a size, as 'f4', found nothing"),
    ])
  func messages(_ example: Case) {
    let bytes = example.pickle.unicodeScalars.map { UInt8($0.value) }
    let error = #expect(throws: CheckpointError.self) { try PickleMachine.run(bytes, file: "f") }
    #expect(error?.reason == example.reason)
    #expect(error?.code == example.code)
  }
}
