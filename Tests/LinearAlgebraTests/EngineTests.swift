import ByteIO
import CBelleKernels
import Testing

@testable import LinearAlgebra

@Suite("The BLAS's kernels") struct EngineTests {
  #if arch(x86_64)
    @Test(
      "narrow ones are replaced by the widest that the processor has, and wide ones stay",
      arguments: ["Prescott", "Core2", "Nehalem", "Sandybridge", "generic", "Haswell", "Zen", "SkylakeX", "Cooperlake"])
    func kernels(chosen: String) {
      let better = Engine.betterKernels(than: chosen)
      if belle_processor_is_skylakex() {
        #expect(better == (["SkylakeX", "Cooperlake"].contains(chosen) ? nil : "SkylakeX"))
      } else if belle_variant_available(BELLE_AVX2) {
        #expect(better == (["Haswell", "Zen", "SkylakeX", "Cooperlake"].contains(chosen) ? nil : "Haswell"))
      } else {
        #expect(better == nil)
      }
    }

    @Test("what runs here needs no replacing, unless someone chose it")
    func chosen() {
      let name = Engine.name
      guard let kernels = name.split(separator: " ").last, !isKernelChosenByUser() else { return }
      #expect(Engine.betterKernels(than: String(kernels)) == nil, "\(name)")
    }

    private func isKernelChosenByUser() -> Bool { getenv("OPENBLAS_CORETYPE") != nil }
  #endif
}
