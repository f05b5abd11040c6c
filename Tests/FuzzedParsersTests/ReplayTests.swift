import ByteIO
import FuzzedParsers
import TestSupport
import Testing

@Suite("Fuzzed parsers") struct ReplayTests {
  @Test("what fuzzing found does not happen again", arguments: FuzzedParser.allCases)
  func findings(parser: FuzzedParser) throws {
    let folder = project("FuzzTesting/FailCases/" + parser.rawValue)
    // Nothing was found yet in most of them.
    guard Folder.kind(of: folder) == .folder else { return }
    for entry in try Folder.entries(of: folder) where entry.kind == .file {
      // An input that is neither read nor refused ends the process here.
      parser.take(try readBytes(folder + "/" + entry.name))
    }
  }
}
