// The tokens that end a text, as a model's own files name them: `eos_token_id` of generation_config.json and config.json,
// one number or several. Source: transformers, generation/configuration_utils.py.

import ByteIO
import Foundation

/// Reading `eos_token_id`.
package enum EndTokens {
  private struct Contents: Decodable {
    let ids: [Int32]

    private enum Key: CodingKey {
      case eos_token_id
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      if let one = try? container.decode(Int.self, forKey: .eos_token_id) {
        ids = [Int32(clamping: one)]
      } else {
        ids = ((try? container.decode([Int].self, forKey: .eos_token_id)) ?? []).map { Int32(clamping: $0) }
      }
    }
  }

  /// The tokens that the files of a folder name; none where nothing is said. Files that are no JSON say nothing here.
  package static func read(folder: String) throws -> Set<Int32> {
    var result: Set<Int32> = []
    for name in ["generation_config.json", "config.json"] {
      let path = Folder.join(folder, name)
      guard Folder.kind(of: path) == .file else { continue }
      let file = try InputFile(path)
      guard file.size <= ModelConfiguration.sizeLimit else { continue }
      let data = try file.bytes(count: file.size)
      if let contents = try? decodeBoundedJSON(Contents.self, from: data) { result.formUnion(contents.ids) }
    }
    return result
  }
}
