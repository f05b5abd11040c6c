// Generating tokens: how fast weights are read while they are multiplied, against how fast memory can be read at all. The
// same file is given to llama.cpp, where its Python package is installed.

import ByteIO
import CBelleKernels
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Transformer

/// A made-up model of more than a gigabyte of 4-bit weights.
@safe final class GenerateBench: BenchCase {
  static let name = "generate"

  private static let layers = 10
  private static let types: [DType] = [.q4_0, .q4_K]
  private static let tokens = 12
  private static let promptTokens = 128
  private static let reading = "reading memory, all threads"

  private let folder: String
  private let models: [(name: String, path: String, model: LoadedModel)]
  private let memory: UnsafeMutableRawBufferPointer
  private let llama: String?
  private let threads = Engine.defaultThreads

  init(_ context: BenchContext) throws {
    let folder = context.disk + "/belle-bench-generate-\(getpid())"
    self.folder = folder
    try Folder.create(folder)
    models = try Self.types.map { type in
      let source = SyntheticModel(type: type, layers: Self.layers)
      let name = type.rawValue
      let path = folder + "/\(name).gguf"
      context.say("making a model of \(byteCount(source.tensors.reduce(0) { $0 + $1.byteCount })) in \(name)")
      try source.write(to: path)
      let model = try LoadedModel(try TransformerModel.open(path), threads: Engine.defaultThreads)
      // The first tokens lay the weights out: `loading` measures that.
      let cache = KeyValueCache(model.configuration)
      for _ in 0...LoadedModel.layoutPasses { _ = try model.logits([1], cache, threads: Engine.defaultThreads) }
      return (name, path, model)
    }
    // As the weights have it: large pages where there are some.
    unsafe memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 30, alignment: 64)
    unsafe adviseLargePages(memory)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 1)
    llama = Self.pythonWithLlama()
    if llama == nil { context.say("llama.cpp's Python package is not installed: no comparison with it") }
  }

  deinit {
    unsafe memory.deallocate()
    try? FileManager.default.removeItem(atPath: folder)
  }

  func measure() throws -> [Series] {
    var all = [
      Series(name: Self.reading, unit: .rate, values: [readRate()]),
      Series(name: "SGEMM, all threads", unit: .operations, values: [PeakRate.gemm(size: 2048, runs: 3)]),
    ]
    for (name, path, model) in models {
      let bytes = Double(model.bytesPerToken)
      let size = byteCount(model.bytesPerToken)
      all.append(
        Series(
          name: "generate, \(name), \(size)", unit: .rate, target: (Self.reading, 0.6),
          values: [bytes / (try secondsPerToken(model))]))
      if let llama, let seconds = llamaSeconds(llama, path) {
        all.append(
          Series(
            name: "llama.cpp, \(name)", unit: .rate, target: (Self.reading, 0.6), values: [bytes / seconds]))
      }
      let parameters = Double(SyntheticModel.parameters(layers: Self.layers))
      let cache = KeyValueCache(model.configuration, capacity: Self.promptTokens)
      let seconds = try Ceilings.time {
        try check(model.logits((0..<Self.promptTokens).map { Int32($0 + 300) }, cache, threads: threads))
      }
      all.append(
        Series(
          name: "prompt of \(Self.promptTokens), \(name)", unit: .operations, target: ("SGEMM, all threads", 0.5),
          values: [2 * parameters * Double(Self.promptTokens) / seconds]))
    }
    return all
  }

  /// Bytes a second of reading alone.
  private func readRate() -> Double {
    let part = 4 << 20
    let variant = belle_best_variant()
    let size = unsafe memory.count
    // SAFETY: read only, by parts that lie in the memory, while this object lives.
    let base = unsafe Int(bitPattern: memory.baseAddress)
    var best = Double.infinity
    for _ in 0..<3 {
      let seconds = Ceilings.time {
        forEachTile(size / part, threads: threads) { index in
          let start = unsafe UnsafePointer<UInt8>(bitPattern: base + index * part)
          // What comes of it is known: every word is there an even number of times.
          precondition(unsafe belle_read_memory(variant, start, part) == 0)
        }
      }
      best = min(best, seconds)
    }
    return Double(size) / best
  }

  /// Token after token, from a short text on.
  private func secondsPerToken(_ model: LoadedModel) throws -> Double {
    let cache = KeyValueCache(model.configuration)
    var logits = try model.logits([1, 300, 301, 302, 303, 304], cache, threads: threads)
    var sampler = Sampler(SamplingOptions())
    let seconds = try Ceilings.time {
      for _ in 0..<Self.tokens {
        guard let token = sampler.next(logits) else {
          throw ByteIOError(.interrupted, reason: "the model's answer is not a number")
        }
        logits = try model.logits([token], cache, threads: threads)
      }
    }
    try check(logits)
    return seconds / Double(Self.tokens)
  }

  private func check(_ logits: [Float]) throws {
    guard logits.count == SyntheticModel.vocabulary, logits.allSatisfy({ $0.isFinite }), Set(logits).count > 100 else {
      throw ByteIOError(.interrupted, reason: "the model's answer is wrong")
    }
  }

  // MARK: llama.cpp

  /// A Python that has llama_cpp; those in BELLE_PYTHON first.
  private static func pythonWithLlama() -> String? {
    let named = ProcessInfo.processInfo.environment["BELLE_PYTHON"]?.split(separator: ":").map(String.init) ?? []
    return (named + ["/usr/bin/env python3"]).first { run($0, "import llama_cpp") != nil }
  }

  /// Runs a script; its output, or nil where it fails.
  private static func run(_ python: String, _ script: String) -> String? {
    let process = Process()
    let parts = python.split(separator: " ").map(String.init)
    process.executableURL = URL(filePath: parts[0])
    process.arguments = Array(parts.dropFirst()) + ["-c", script]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? String(decoding: data, as: UTF8.self) : nil
  }

  /// Its seconds for a token of the same model, after the same number of tokens.
  private func llamaSeconds(_ python: String, _ path: String) -> Double? {
    let script = """
      import time, llama_cpp
      model = llama_cpp.Llama("\(path)", n_ctx=256, n_threads=\(threads), n_threads_batch=\(threads), verbose=False)
      model.eval([1, 300, 301, 302, 303, 304])
      start = time.perf_counter()
      for token in range(\(Self.tokens)):
          model.eval([400 + token])
      print((time.perf_counter() - start) / \(Self.tokens))
      """
    return Self.run(python, script).flatMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }
}
