// The real binary where the system gives little: no /proc, no threads, no address space, few files; and inputs of many
// small things, whose memory must stay within what their size pays for.

import Foundation
import TestSupport
import Testing

#if os(Linux)
  /// Whether a shell can do something here.
  private func succeeds(_ script: String) -> Bool {
    (try? belleTools(shell: script))?.status == 0
  }

  private let tokens = project("Tests/Fixtures/tiny/llama/tokens.safetensors:evaluation")

  /// The miniature release, decrypted once; the folder goes with the process.
  private let releaseFolder = try? TemporaryFolder()
  private let tiny: String = {
    let path = releaseFolder?.file("model") ?? ""
    _ = try? belleTools(
      "decrypt", project("Examples/tiny-belle/enc"), project("Examples/tiny-belle/llama/consolidated.00.pth"), path)
    return path
  }()

  @Suite("Where /proc is not mounted") struct WithoutProcTests {
    static let canHideProc = succeeds("unshare -m mount -t tmpfs none /proc")

    /// Every verb printed the program's help with status 0: Swift reads the arguments from /proc/self/cmdline.
    @Test("verbs work and answer", .enabled(if: canHideProc, "unshare -m is not permitted here"))
    func verbs() throws {
      let folder = try TemporaryFolder()
      try folder.write("f", "aa")
      let list = try folder.write("l.md5", String(repeating: "0", count: 32) + "  f\n")
      let shell = #"exec unshare -m bash -c 'mount -t tmpfs none /proc; exec "$0" "$@"' "$0" "$@""#
      let verified = try belleTools("verify", folder.path, "--manifest", list, shell: shell)
      #expect(verified.status == 2 && verified.output.hasPrefix("f: FAILED\n"))
      let evaluated = try belleTools("evaluate", tiny, "--text", tokens, "--max-tokens", "64", "--json", shell: shell)
      #expect(evaluated.status == 0)
      #expect(try evaluated.objects().last?["tokens"] as? Int == 64)
      #expect(try belleTools("verify", shell: shell).status == 64)
    }
  }

  @Suite("Little of what the system gives") struct SystemLimitTests {
    static let canBeAnother = succeeds(
      #"setpriv --reuid=65534 --regid=65534 --clear-groups "$0" --version && [ "$(id -u)" = 0 ]"#)

    private static let verbs = [
      ["evaluate", tiny, "--text", tokens, "--max-tokens", "64"], ["inspect", tiny, "--stats"],
      ["generate", tiny, "--prompt", "a", "--max-tokens", "2"], ["doctor", tiny],
    ]

    /// They stood still for ever, or ended by a signal: 130, 132, 134, 139.
    private func run(_ limit: String, _ arguments: [String], prefix: String = "") throws -> Finished {
      let inner = #"\#(limit); SWIFT_BACKTRACE=enable=no exec timeout 60 "$0" "$@""#
      return try Running(
        arguments, shell: prefix.isEmpty ? inner : "exec \(prefix) bash -c '\(inner)' \"$0\" \"$@\""
      ).finish()
    }

    @Test(
      "without threads to be made each verb ends by itself: done, or with an error",
      .enabled(if: canBeAnother, "this is not root's, or another user cannot run the binary"), arguments: 1...4, verbs)
    func threads(processes: Int, arguments: [String]) throws {
      // Also where whoever starts it blocks the signal that OpenBLAS raises then.
      for prefix in ["", "env --block-signal=INT "] {
        // `timeout` takes one of them.
        let finished = try run(
          "ulimit -u \(processes + 1)", arguments,
          prefix: prefix + "setpriv --reuid=65534 --regid=65534 --clear-groups")
        let isTold = finished.status == 1 && finished.errors.contains("cannot make a thread")
        #expect(finished.status == 0 || isTold || finished.status == 125, "\(finished)")
      }
    }

    @Test(
      "with little address space each verb ends by itself: done, or with an error",
      arguments: [700_000, 500_000, 400_000, 300_000, 250_000], verbs)
    func addressSpace(kilobytes: Int, arguments: [String]) throws {
      let finished = try run("ulimit -v \(kilobytes)", arguments)
      let isTold = finished.status == 1 && finished.errors.contains("error: ")
      // The loader's own refusal comes before anything of ours.
      #expect(finished.status == 0 || isTold || finished.status == 127, "\(finished)")
    }

    @Test("with few files open at once each verb ends by itself", arguments: 4...7, verbs)
    func descriptors(files: Int, arguments: [String]) throws {
      let finished = try run("ulimit -n \(files)", arguments)
      let isTold = finished.errors.contains("Too many open files") || finished.output.contains("Too many open files")
      #expect(
        finished.status == 0 || isTold && [1, 2].contains(finished.status) || finished.status == 127, "\(finished)")
    }
  }

  @Suite("Memory that the file did not pay for") struct InputMemoryTests {
    /// What an input of less than 16 MB may take at most, in MiB.
    static let most = 300

    private func safetensors(_ header: String, _ data: Int = 0) -> [UInt8] {
      let length = UInt64(header.utf8.count)
      return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + header.utf8
        + [UInt8](repeating: 0, count: data)
    }

    @Test("a checksum list of nothing but line ends")
    func lines() throws {
      let folder = try TemporaryFolder()
      let list = try folder.write("l.md5", [UInt8](repeating: 0x0A, count: 16 << 20))
      let (finished, peak) = try belleToolsMemory(["verify", folder.path, "--manifest", list])
      #expect(finished.status == 1 && finished.errors.contains("there is no checksum line in it"))
      #expect(peak < Self.most)
    }

    @Test("a tensor of millions of dimensions")
    func dimensions() throws {
      let folder = try TemporaryFolder()
      let ones = String(repeating: "1,", count: 4_999_999) + "1"
      let path = try folder.write(
        "a.safetensors", safetensors(#"{"a":{"dtype":"F32","shape":[\#(ones)],"data_offsets":[0,4]}}"#, 4))
      let (finished, peak) = try belleToolsMemory(["inspect", path])
      #expect(finished.status == 1 && finished.errors.contains("at most 1024"))
      #expect(peak < Self.most)
    }

    /// A zip of one deflated member.
    private func deflatedZip(_ name: String, _ contents: [UInt8], in folder: TemporaryFolder) throws -> [UInt8] {
      let path = try folder.write("member", contents)
      #expect(try belleTools(shell: "gzip -9 -n '\(path)'").status == 0)
      let packed = try readBytes(path + ".gz")
      let stream = packed[10..<packed.count - 8]
      let crc = [UInt8](packed[(packed.count - 8)...].prefix(4))
      var fields: [UInt8] = Self.word(20, 2) + Self.word(0, 2)
      fields += Self.word(8, 2) + Self.word(0, 4) + crc
      for (value, size) in [(stream.count, 4), (contents.count, 4), (name.utf8.count, 2), (0, 2)] {
        fields += Self.word(value, size)
      }
      let local: [UInt8] = Array("PK\u{3}\u{4}".utf8) + fields + Array(name.utf8) + stream
      let entry: [UInt8] = Array("PK\u{1}\u{2}".utf8) + Self.word(20, 2) + fields + Self.word(0, 14) + Array(name.utf8)
      var end = Array("PK\u{5}\u{6}".utf8)
      for (value, size) in [(0, 4), (1, 2), (1, 2), (entry.count, 4), (local.count, 4), (0, 2)] {
        end += Self.word(value, size)
      }
      return local + entry + end
    }

    private static func word(_ value: Int, _ size: Int) -> [UInt8] {
      (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    /// 15 kB took 633 MB.
    @Test(
      "a memo that has one value millions of times, and marks without end", arguments: [0x94, 0x28, 0x32] as [UInt8])
    func memo(opcode: UInt8) throws {
      let folder = try TemporaryFolder()
      let pickle = [0x80, 4, 0x4E] + [UInt8](repeating: opcode, count: 15_000_000) + [0x2E]
      let path = try folder.write("a.pt", deflatedZip("archive/data.pkl", pickle, in: folder))
      for more in [[], ["--safety"]] {
        let (finished, peak) = try belleToolsMemory(["inspect", path] + more)
        #expect(peak < Self.most && finished.status != 0, "\(peak) MiB, \(finished)")
      }
    }

    /// 1.5 million of them in 86 MB took 1.2 GB, and a million in a GGUF file of 40 MB 362 MB.
    @Test("tensors and values of next to nothing", arguments: ["a.safetensors", "tensors.gguf", "values.gguf"])
    func small(name: String) throws {
      let folder = try TemporaryFolder()
      var bytes: [UInt8] = []
      if name == "a.safetensors" {
        let entries = (0..<270_000).map { #""\#($0)":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"# }
        bytes = safetensors("{" + entries.joined(separator: ",") + "}")
      } else {
        let (tensors, values) = name == "tensors.gguf" ? (380_000, 0) : (0, 800_000)
        bytes = Array("GGUF".utf8) + Self.word(3, 4)
        bytes += Self.word(tensors, 8) + Self.word(values, 8)
        // One dimension of nothing, F32, at the beginning; or UINT8, 1.
        let rest: [UInt8] =
          tensors > 0 ? Self.word(1, 4) + Self.word(0, 8) + Self.word(0, 4) + Self.word(0, 8) : Self.word(0, 4) + [1]
        for number in 0..<tensors + values {
          bytes += Self.word(6, 8)
          bytes += Array(String(number + 100_000).utf8)
          bytes += rest
        }
      }
      #expect(bytes.count < 16 << 20)
      let (_, peak) = try belleToolsMemory(["inspect", folder.write(name, bytes), "--json"])
      #expect(peak < Self.most, "\(peak) MiB for \(bytes.count) bytes")
    }

    @Test("a GGUF file of one array of fifteen million bytes")
    func array() throws {
      let folder = try TemporaryFolder()
      let count = 15 << 20
      func word(_ value: Int, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      }
      let head = Array("GGUF".utf8) + word(3, 4) + word(0, 8) + word(1, 8) + word(1, 8) + Array("a".utf8) + word(9, 4)
      let path = try folder.write("a.gguf", head + word(0, 4) + word(count, 8) + [UInt8](repeating: 0, count: count))
      let (_, peak) = try belleToolsMemory(["inspect", path])
      #expect(peak < Self.most)
    }

    @Test("a config.json of millions of numbers")
    func configuration() throws {
      let folder = try TemporaryFolder()
      let text = String(decoding: try readBytes(tiny + "/config.json"), as: UTF8.self)
      let numbers = #""x":["# + String(repeating: "0,", count: 7_000_000) + "0]}"
      try folder.write("config.json", text.prefix { $0 != "}" } + "," + numbers)
      let (finished, peak) = try belleToolsMemory(["doctor", folder.path])
      #expect(finished.status == 2)
      #expect(peak < Self.most)
    }

    @Test(
      "a text, a list of texts and lines of texts, of which few tokens are wanted",
      arguments: ["a.txt", "a.json", "a.jsonl"])
    func texts(name: String) throws {
      let folder = try TemporaryFolder()
      let text = "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学。"
      let element = name == "a.txt" ? text : #"{"text": "\#(text)"}"#
      let all = Array(repeating: element, count: 60_000).joined(separator: name == "a.json" ? "," : "\n")
      let path = try folder.write(name, name == "a.json" ? "[\(all)]" : all)
      let least = try belleToolsMemory(["evaluate", tiny, "--text", tokens, "--max-tokens", "64"]).peak
      let (finished, peak) = try belleToolsMemory(["evaluate", tiny, "--text", path, "--max-tokens", "64"])
      #expect(finished.status == 0)
      #expect(peak < least + 100)
    }
  }
#endif

@Suite("Arguments") struct ArgumentTests {
  /// An output's name was repaired in silence, and a file of that name was said not to be there.
  @Test("one that is not UTF-8 is refused by a usage error that names it")
  func notUTF8() throws {
    let finished = try belleTools("verify", shell: #"exec "$0" "$@" $'out\xfe'"#)
    #expect(finished.status == 64)
    #expect(finished.errors.contains(#"argument 2 is not UTF-8: out\xfe"#))
  }
}

@Suite("Links in a folder that is verified") struct LinkedFolderTests {
  @Test("a linked folder outside is not followed; a linked file, and a linked folder inside, are")
  func links() throws {
    let folder = try TemporaryFolder()
    let digest = "5d41402abc4b2a76b9719d911017c592"  // MD5 of "hello"
    try folder.write("elsewhere/f", "hello")
    try folder.write("hub/blobs/sha", "hello")
    try folder.write("hub/snapshots/1/sub/f", "hello")
    let model = folder.file("hub/snapshots/1")
    let files = FileManager.default
    try files.createSymbolicLink(atPath: model + "/f", withDestinationPath: "../../blobs/sha")
    try files.createSymbolicLink(atPath: model + "/inside", withDestinationPath: "sub")
    try files.createSymbolicLink(atPath: model + "/out", withDestinationPath: folder.file("elsewhere"))
    let good = try folder.write("good", ["f", "sub/f", "inside/f"].map { "\(digest)  \($0)\n" }.joined())
    #expect(try belleTools("verify", model, "--manifest", good).status == 0)
    let bad = try folder.write("bad", "\(digest)  out/f\n")
    let finished = try belleTools("verify", model, "--manifest", bad)
    #expect(finished.status == 1)
    #expect(finished.errors.contains("out is a link to a folder outside of"))
    // The folder itself may be reached by a link.
    try files.createSymbolicLink(atPath: folder.file("here"), withDestinationPath: model)
    #expect(try belleTools("verify", folder.file("here"), "--manifest", good).status == 0)
  }
}
