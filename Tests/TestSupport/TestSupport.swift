// What the tests share: folders that vanish, bytes from a seed, the project's files, and the real binary.

import ByteIO
import Foundation

/// The project's folder.
public let projectFolder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().path

/// A path in the project.
public func project(_ path: String) -> String { projectFolder + "/" + path }

/// A folder that is removed with its owner.
public final class TemporaryFolder: Sendable {
  /// Its path.
  public let path: String

  /// Makes a folder; below /dev/shm where that is, for speed.
  public init() throws {
    let base = Folder.kind(of: "/dev/shm") == .folder ? "/dev/shm" : NSTemporaryDirectory()
    path = base + "/belle-tests-" + UUID().uuidString
    try Folder.create(path)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// A path in the folder.
  public func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file.
  @discardableResult
  public func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let target = file(name)
    try Folder.create(Folder.parent(of: target))
    try Data(bytes).write(to: URL(filePath: target))
    return target
  }

  /// Writes a text file.
  @discardableResult
  public func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }

  /// The names in the folder or one below, sorted, hidden ones too.
  public func names(in folder: String = "") throws -> [String] {
    try Folder.entries(of: folder.isEmpty ? path : file(folder)).map(\.name)
  }
}

/// The bytes of a file.
public func readBytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

/// SplitMix64, as `golden.json` describes it: bytes from a seed.
public struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  /// Begins with a seed.
  public init(seed: UInt64) { state = seed }

  /// The next word.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// The first bytes of the stream of a seed, words little-endian.
  public static func bytes(seed: UInt64, count: Int) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    return [UInt8](unsafeUninitializedCapacity: count + 8) { buffer, initialized in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      for at in stride(from: 0, to: count, by: 8) {
        bytes.storeBytes(of: generator.next().littleEndian, toByteOffset: at, as: UInt64.self)
      }
      initialized = count
    }
  }
}

/// Decodes a JSON file of the project; a mistake in it is ours.
public func decodeJSON<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value {
  do {
    return try JSONDecoder().decode(type, from: Data(contentsOf: URL(filePath: path)))
  } catch {
    preconditionFailure("\(path): \(error)")
  }
}

/// What a program left behind.
public struct Finished: Sendable {
  /// Its exit status; 128 + the signal where one ended it.
  public let status: Int32
  /// What it printed.
  public let output: String
  /// What it said on stderr.
  public let errors: String
  /// The verb that was run, where it was asked for JSON.
  public let jsonVerb: String?

  /// The output with the columns of its tables two spaces apart.
  public var columns: String { output.replacing(#/ {2,}/#, with: "  ") }

  /// The lines of its output as JSON objects, held against the schema of the verb.
  public func objects() throws -> [[String: Any]] {
    try output.split(separator: "\n").map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
      if let jsonVerb { try JSONSchemas.project.check(object, verb: jsonVerb) }
      return object
    }
  }
}

/// The real binary, running.
public final class Running {
  private let process = Process()
  private let outputPath: String
  private let errorPath: String
  private let folder: TemporaryFolder
  private let jsonVerb: String?

  /// The binary under test: it lies beside the tests. `BELLE_TOOLS` names another one, an older one for example, to see
  /// which tests it fails.
  public static let binary: String = {
    if let other = ProcessInfo.processInfo.environment["BELLE_TOOLS"] { return other }
    let tests = ProcessInfo.processInfo.arguments[0]
    var folder = URL(filePath: tests).deletingLastPathComponent()
    while folder.path != "/", !FileManager.default.isExecutableFile(atPath: folder.path + "/belle-tools") {
      folder.deleteLastPathComponent()
    }
    return folder.path + "/belle-tools"
  }()

  /// Starts the binary, or through a shell where `shell` says how (`$0` is the binary).
  public init(
    _ arguments: [String], shell: String? = nil, in workingFolder: String? = nil, usesOneDNN: Bool = false
  ) throws {
    folder = try TemporaryFolder()
    outputPath = try folder.write("stdout", "")
    errorPath = try folder.write("stderr", "")
    if let shell {
      process.executableURL = URL(filePath: "/bin/bash")
      process.arguments = ["-c", shell, Self.binary] + arguments
    } else {
      process.executableURL = URL(filePath: Self.binary)
      process.arguments = arguments
    }
    let isOther = ProcessInfo.processInfo.environment["BELLE_TOOLS"] != nil
    let isJSON = arguments.prefix { $0 != "--" }.contains("--json") && !isOther
    jsonVerb = isJSON ? arguments.first { JSONSchemas.projectVerbs.contains($0) } : nil
    if let workingFolder { process.currentDirectoryURL = URL(filePath: workingFolder) }
    // What `quantize` writes depends on whether oneDNN is here: for most tests it is not, on no machine.
    var environment = ProcessInfo.processInfo.environment
    if !usesOneDNN { environment["BELLE_ONEDNN"] = "/nowhere/libdnnl.so" }
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: outputPath)
    process.standardError = FileHandle(forWritingAtPath: errorPath)
    try process.run()
  }

  /// Whether it still runs.
  public var isRunning: Bool { process.isRunning }

  /// Sends a signal.
  public func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Waits for its end.
  public func finish() throws -> Finished {
    process.waitUntilExit()
    let status =
      process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus
    return Finished(
      status: status, output: String(decoding: try readBytes(outputPath), as: UTF8.self),
      errors: String(decoding: try readBytes(errorPath), as: UTF8.self), jsonVerb: jsonVerb)
  }
}

/// Runs the real binary to its end.
@discardableResult
public func belleTools(_ arguments: String..., shell: String? = nil, in folder: String? = nil) throws -> Finished {
  try Running(arguments, shell: shell, in: folder).finish()
}

/// Runs the real binary to its end and tells the largest memory that it had, in MiB. On Linux only.
public func belleToolsMemory(_ arguments: [String]) throws -> (finished: Finished, peak: Int) {
  // A child's own figures begin with those of whoever started it, and this process is large: the shell asks the system.
  let shell = """
    "$0" "$@" & p=$!; m=0
    while [ -r /proc/$p/status ]; do
      while read -r k v u; do [ "$k" = VmHWM: ] && m=$v; done < /proc/$p/status; sleep 0.01
    done 2> /dev/null
    wait $p; s=$?; echo; echo "peak $m" >&2; exit $s
    """
  let finished = try Running(arguments, shell: shell).finish()
  let line = finished.errors.split(separator: "\n").last { $0.hasPrefix("peak ") }
  return (finished, (line.flatMap { Int($0.dropFirst(5)) } ?? .max) / 1024)
}
