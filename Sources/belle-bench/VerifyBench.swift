// verify, as a user runs it, against OpenSSL's own program and digests on one core.

import ByteIO

struct VerifyBench: BenchCase {
  static let name = "verify"
  private let context: BenchContext
  private let work: Workload

  init(_ context: BenchContext) throws {
    self.context = context
    work = try context.files()
  }

  func measure() throws -> [Series] {
    let ceilings = try context.fileCeilings()
    // The peer: OpenSSL's own program, one file.
    let peer = try Child.run(["openssl", "dgst", "-sha256", work.plain])
    let four = try work.expect(
      Child.run([work.tool, "verify", work.fourPlain, "--manifest", work.fourList, "--quiet"]))
    let one = try work.expect(
      Child.run([work.tool, "verify", work.plain, "--manifest", work.md5List, "--quiet"]))
    let size = Double(work.size)
    return ceilings + [
      Series(name: "openssl dgst -sha256, one file", unit: .rate, values: [size / peer.seconds]),
      Series(
        name: "verify, four files", unit: .rate, target: ("openssl dgst -sha256, one file", 1.7),
        values: [Double(4 * work.partSize) / four.seconds], peakMemory: four.peakMemory),
      Series(
        name: "verify, one file, MD5", unit: .rate, target: ("MD5, one core", 0.9), values: [size / one.seconds],
        peakMemory: one.peakMemory),
    ]
  }
}
