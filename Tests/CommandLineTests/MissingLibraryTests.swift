import Foundation
import TestSupport
import Testing

/// As on a plain Debian: the libraries that are looked for at run time are not there.
@Suite("Without OpenBLAS and SentencePiece") struct MissingLibraryTests {
  private static let model = project("Examples/tiny-belle")
  private static let quantized = project("Tests/Fixtures/tiny/llama")

  private func run(_ arguments: [String], without libraries: [String], in folder: String? = nil) throws -> Finished {
    let variables = libraries.map { "BELLE_\($0)=/nowhere/lib.so" }.joined(separator: " ")
    return try Running(arguments, shell: "exec env \(variables) \"$0\" \"$@\"", in: folder).finish()
  }

  private let both = ["OPENBLAS", "SENTENCEPIECE"]

  /// The release, decrypted.
  private func decrypted(_ folder: TemporaryFolder) throws -> String {
    let run = try run(
      ["decrypt", Self.model + "/enc", Self.model + "/llama/consolidated.00.pth", folder.file("model")], without: both)
    #expect(run.status == 0, "\(run.errors)")
    return folder.file("model")
  }

  @Test("verifying, decrypting, inspecting, converting, comparing and hashing need neither")
  func small() throws {
    let folder = try TemporaryFolder()
    let path = try decrypted(folder)
    let list = Self.model + "/tiny-belle.md5"
    let lines: [[String]] = [
      ["verify", path, "--manifest", list], ["inspect", path, "--stats"], ["inspect", path, "--safety"],
      ["convert", path, folder.file("st")], ["compare", path, folder.file("st")], ["hash", path], ["releases"],
      ["encrypt", path, Self.model + "/llama/consolidated.00.pth", folder.file("again")],
      ["convert", Self.model + "/llama", folder.file("hf"), "--layout", "hf"],
      ["merge", folder.file("hf"), Self.model + "/adapter", folder.file("merged")],
    ]
    for arguments in lines {
      let run = try run(arguments, without: both)
      #expect(run.status == 0, "\(arguments): \(run.errors)")
    }
  }

  @Test("a GGUF file gets the same bytes without SentencePiece as with it, and so does what comes back of it")
  func gguf() throws {
    let folder = try TemporaryFolder()
    let path = try decrypted(folder)
    for (name, libraries) in [("with", []), ("without", both)] as [(String, [String])] {
      let made = try run(["convert", path, folder.file(name + ".gguf")], without: libraries)
      #expect(made.status == 0, "\(made.errors)")
      let back = try run(["convert", folder.file(name + ".gguf"), folder.file(name)], without: libraries)
      #expect(back.status == 0, "\(back.errors)")
    }
    #expect(try readBytes(folder.file("with.gguf")) == readBytes(folder.file("without.gguf")))
    let names = try folder.names(in: "with")
    #expect(try names == folder.names(in: "without") && names.contains("tokenizer.model"))
    for name in names {
      #expect(try readBytes(folder.file("with/" + name)) == readBytes(folder.file("without/" + name)), "\(name)")
    }
  }

  @Test("doctor says the same of a model")
  func doctor() throws {
    let folder = try TemporaryFolder()
    let path = try decrypted(folder)
    let with = try belleTools("doctor", path)
    let without = try run(["doctor", path], without: both)
    #expect(with.status == without.status && with.output == without.output, "\(without.output)\(without.errors)")
  }

  @Test(
    "a verb that needs one names it and Debian's package, with status 1",
    arguments: [
      (["quantize", "model", "out"], "OPENBLAS", "libopenblas0"),
      (["quantize", "model", "out"], "SENTENCEPIECE", "libsentencepiece0"),
      (["evaluate", "model", "--text", "text"], "OPENBLAS", "libopenblas0"),
      (["evaluate", "model", "--text", "text"], "SENTENCEPIECE", "libsentencepiece0"),
      (["generate", "model", "--prompt", "p"], "OPENBLAS", "libopenblas0"),
      (["generate", "model", "--prompt", "p"], "SENTENCEPIECE", "libsentencepiece0"),
      (["extend", "model", "model/tokenizer.model", "out"], "SENTENCEPIECE", "libsentencepiece0"),
    ])
  func named(arguments: [String], library: String, package: String) throws {
    let folder = try TemporaryFolder()
    _ = try decrypted(folder)
    try folder.write("text", String(repeating: "water is wet. ", count: 400))
    let run = try run(arguments + ["--json"], without: [library], in: folder.path)
    #expect(run.status == 1, "\(run.errors)")
    #expect(run.errors.contains("which cannot be loaded: /nowhere/lib.so"), "\(run.errors)")
    #expect(run.errors.contains("install Debian's package \(package) ("), "\(run.errors)")
    #expect(try run.objects().last?["type"] as? String == "error")
    #expect(try folder.names() == ["model", "text"])
  }

  @Test("a library of the name that is another one is told apart from one that is missing")
  func another() throws {
    let folder = try TemporaryFolder()
    _ = try decrypted(folder)
    // Any library that is no BLAS.
    let run = try Running(
      ["generate", "model", "--prompt", "p"],
      shell: #"exec env BELLE_OPENBLAS="$(ldd "$0" | sed -n 's|.* => \(/[^ ]*libm\.so\.6\) .*|\1|p')" "$0" "$@""#,
      in: folder.path
    ).finish()
    #expect(run.status == 1 && run.errors.contains("it has no cblas_sgemm"), "\(run.errors)")
  }

  @Test("--version says that there is no BLAS")
  func version() throws {
    let run = try run(["--version"], without: both)
    #expect(run.status == 0 && run.output.contains("BLAS: none: OpenBLAS is not here (Debian: libopenblas0)"))
    #expect(try belleTools("--version").output.contains("BLAS: OpenBLAS "))
  }
}
