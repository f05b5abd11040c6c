// How versions of torch lay a zip checkpoint out: a row each, of what differs between them. Readers need none of it; it is
// what makes a file the same to the byte.
// Sources: torch/csrc and caffe2/serialize/inline_container.cc, third_party/miniz of the versions named; torch/serialization.py
// (_save); CPython Modules/_pickle.c.

/// What a version of torch writes around the values.
package struct TorchLayout: Sendable {
  /// The folder that all members are in.
  var root: String
  /// How the state dict is pickled.
  let pickle: PickleWriter.Style
  /// Members between the pickle and the values.
  let head: [(name: String, bytes: [UInt8])]
  /// Whether values stand in the order of their numbers as text, 0, 1, 10, 100, 11, and not in that of the tensors.
  let sortsNumbersAsText: Bool
  /// Whether checksums and sizes stand behind each member, and zeros in its header.
  let hasDescriptors: Bool
  /// The version that headers say is needed, for a member whose sizes fit 32 bits and for others.
  let versions: (narrow: Int, wide: Int)
  /// The flags of headers.
  let flags: Int
  /// The day in headers, as MS-DOS counts it.
  let day: Int
  /// What fills the padding before values.
  let filler: UInt8
  /// Whether the records for large files end each file.
  let alwaysEndsWide: Bool
  /// The version that made the file, in the record for large files.
  let maker: Int

  /// What is written where nothing else is asked for: what torch of today reads, without a name or a time in it.
  package static let current = TorchLayout(
    root: "archive", pickle: .brief, head: [("byteorder", Array("little".utf8))], sortsNumbersAsText: false,
    hasDescriptors: false, versions: (20, 45), flags: 0x0800, day: 0x0021, filler: 0, alwaysEndsWide: false, maker: 45)

  /// What torch from 1.11 to 2.0 writes of a plain dictionary as `consolidated.pth`, whatever it is renamed to: Meta's files of
  /// LLaMA-1 7B and Llama-2 7B.
  package static let ofMeta = TorchLayout(
    root: "consolidated", pickle: .cpython, head: [], sortsNumbersAsText: true,
    hasDescriptors: true, versions: (0, 0), flags: 0x0808, day: 0, filler: UInt8(ascii: "Z"), alwaysEndsWide: true,
    maker: 0x031E)
}
