// Models that were published as the XOR with a base model, file by file, without a header or a digest: OpenAssistant's and
// Pygmalion's, by xor_codec.py. Such a file of JSON begins with zeros, as far as both have the same text, which no JSON does;
// one of weights too, for both are zips or both safetensors. Where it was told to compress, each is a gzip stream of that.
// Source: the cards of OpenAssistant/oasst-sft-6-llama-30b-xor and PygmalionAI/pygmalion-7b; xor_codec.py beside them.

import ByteIO
import CZlib

/// Tells a folder of such files.
package enum BaseDifference {
  /// The files that are looked at.
  private static let fileLimit = 64
  private static let codec = "xor_codec.py"

  /// What a folder is; nil where its files do not tell.
  package static func found(in folder: String) -> CheckpointError? {
    guard let entries = try? Folder.entries(of: folder) else { return nil }
    let parent = (try? Folder.entries(of: Folder.parent(of: Folder.absolute(folder))).map(\.name)) ?? []
    let hasCodec = entries.contains { $0.name == codec } || parent.contains(codec)
    let wanted = entries.filter { entry in
      entry.kind == .file
        && [".json", ".bin", ".safetensors", ".pth", ".model"].contains(where: entry.name.lowercased().hasSuffix)
    }
    for entry in wanted.prefix(fileLimit) {
      guard let file = try? InputFile(Folder.join(folder, entry.name), isInput: false),
        let form = form(of: file)
      else { continue }
      let isJSON = entry.name.lowercased().hasSuffix(".json")
      // Weights alone may also be a download that set its space aside; text that goes on behind the zeros is none.
      guard hasCodec || form.isCompressed || isJSON && form.goesOn else { continue }
      return CheckpointError(
        .unknownFormat, file: folder,
        reason: "these files are the XOR with those of a base model, file by file, as OpenAssistant and Pygmalion "
          + "published them: \(displayName(entry.name)) begins with zeros\(form.isCompressed ? " when it is decompressed" : "")",
        remedy:
          "\(.merging) undoes it, as its project's own \(codec) does, with the base model in exactly the form that its card names"
      )
    }
    return nil
  }

  /// Whether a file that gzip has compressed is one of them.
  static func isCompressed(_ file: InputFile) -> Bool { form(of: file)?.isCompressed == true }

  /// How a file begins with zeros: as it is or when it is decompressed, and whether something follows them.
  private static func form(of file: InputFile) -> (isCompressed: Bool, goesOn: Bool)? {
    // Most files end here.
    guard let start = try? file.bytes(count: 4), [0, 0x1F].contains(start.first),
      let head = try? file.bytes(count: 64 << 10)
    else { return nil }
    let isCompressed = head.starts(with: [0x1F, 0x8B, 8])
    let bytes = isCompressed ? inflated(head) : head
    let zeros = file.path.lowercased().hasSuffix(".json") ? 4 : 8
    guard bytes.count >= zeros, bytes.prefix(zeros).allSatisfy({ $0 == 0 }) else { return nil }
    return (isCompressed, bytes.contains { $0 != 0 })
  }

  /// What comes out of the first bytes of a gzip stream: at most as many as a page.
  private static func inflated(_ head: [UInt8]) -> [UInt8] {
    var stream = unsafe z_stream()
    guard unsafe inflateInit2_(&stream, 15 + 16, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      return []
    }
    defer { unsafe inflateEnd(&stream) }
    var input = head
    var output = [UInt8](repeating: 0, count: 4096)
    // SAFETY: zlib reads `input` and writes `output` within the counts given, during the closures only.
    let made = unsafe input.withUnsafeMutableBufferPointer { input in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe stream.next_in = input.baseAddress
        unsafe stream.avail_in = UInt32(input.count)
        unsafe stream.next_out = output.baseAddress
        unsafe stream.avail_out = UInt32(output.count)
        _ = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
        return unsafe output.count - Int(stream.avail_out)
      }
    }
    return Array(output.prefix(made))
  }
}
